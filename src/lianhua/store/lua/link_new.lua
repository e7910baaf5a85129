-- A one-time link in the place of those before it.
-- KEYS account   ARGV digest, seconds
if redis.call('HEXISTS', KEYS[1], 'role') == 0 then return {'missing'} end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 2) == 'l:' then redis.call('HDEL', KEYS[1], field) end
end
redis.call('HSET', KEYS[1], 'l:' .. ARGV[1], stamp(now() + tonumber(ARGV[2])))
return {'ok'}
