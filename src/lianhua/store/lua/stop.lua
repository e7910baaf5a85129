-- Asks a running turn to stop; every append and renewal of its worker brings the flag back.
-- KEYS meta, turns   ARGV owner, turn_id
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return {'missing'} end
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.lease', 't.worker')
if turn[1] == ARGV[2] then
  -- On a full server a script may write from its first command on that needs no memory (script.c, "deny-oom"): who
  -- stops a reply makes room.
  redis.call('HDEL', KEYS[1], 't.stop')
  redis.call('HSET', KEYS[1], 't.stop', '1')
  return {'running', tonumber(turn[2]) < now() and '1' or '0', turn[3]}
end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then return {'no_turn'} end
return {'ended'}
