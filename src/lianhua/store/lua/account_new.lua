-- Makes an account, unless there is one. The same attempt, repeated, finds what it has made.
-- KEYS account   ARGV attempt, role, group, password hash (empty: none yet)
local found = redis.call('HMGET', KEYS[1], 'role', 'attempt')
if found[1] then return {found[2] == ARGV[1] and 'ok' or 'taken'} end
redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'role', ARGV[2], 'group', ARGV[3], 'password', ARGV[4],
  'state', 'active', 'created_at', stamp(now()))
return {'ok'}
