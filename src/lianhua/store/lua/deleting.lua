-- Notes that a user deletes a conversation, so that the same request, repeated, is known.
-- KEYS erased   ARGV hash of the conversation's id, kept for so many seconds, at most so many
-- Removal comes first: a script that has begun with one may write on a full server too (see `stop`).
local at = now()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at - tonumber(ARGV[2]))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('ZADD', KEYS[1], at, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'ok'}
