-- Somebody has been given the end of a turn: the same question again is a new one.
-- KEYS meta   ARGV turn_id
local join = redis.call('HGET', KEYS[1], 'join')
if join and string.match(join, '^%S+') == ARGV[1] then redis.call('HDEL', KEYS[1], 'join') end
return {'ok'}
