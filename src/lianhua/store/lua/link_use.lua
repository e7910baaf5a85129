-- Sets a password by a one-time link, which is used up by it, and ends all login sessions. With an empty password, only
-- whether the link is good. Repeated with the same hash it is what was done already.
-- KEYS account   ARGV digest, password hash
local field = 'l:' .. ARGV[1]
local found = redis.call('HMGET', KEYS[1], field, 'state', 'password', 'used')
if ARGV[2] ~= '' and found[4] == ARGV[1] and found[3] == ARGV[2] then return {'ok'} end
if not found[1] or found[2] ~= 'active' or tonumber(found[1]) < now() then return {'missing'} end
if ARGV[2] == '' then return {'ok'} end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local kind = string.sub(name, 1, 2)
  if kind == 'l:' or kind == 's:' then redis.call('HDEL', KEYS[1], name) end
end
redis.call('HSET', KEYS[1], 'password', ARGV[2], 'used', ARGV[1])
return {'ok'}
