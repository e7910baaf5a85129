-- Changes an account; with it, ends its login sessions. One that is being deleted stays so.
-- KEYS account   ARGV ends sessions (1 or 0), a session's field that is kept, then name and value of each field
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'missing'} end
if ARGV[1] == '1' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 2) == 's:' and field ~= ARGV[2] then redis.call('HDEL', KEYS[1], field) end
  end
end
for i = 3, #ARGV, 2 do
  if ARGV[i] ~= 'state' or state ~= 'deleting' then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return {'ok'}
