-- Keeps what running turns of a user have reserved; what was given back meanwhile stays so.
-- KEYS budget   ARGV reserved_s, turn_id, ...
local expires = stamp(now() + tonumber(ARGV[1]))
for i = 2, #ARGV do
  local field = 'r:' .. ARGV[i]
  local reservation = redis.call('HGET', KEYS[1], field)
  if reservation then
    redis.call('HSET', KEYS[1], field, (string.gsub(reservation, '^%S+', expires, 1)))
  end
end
return {'ok'}
