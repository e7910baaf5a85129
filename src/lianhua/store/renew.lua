-- Renews the lease of a running turn; brings back its stop flag and the last seq that the store has.
-- KEYS meta   ARGV turn_id, epoch, lease_s
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.epoch', 't.stop', 't.seq')
if turn[1] ~= ARGV[1] then return {'ended'} end
if turn[2] ~= ARGV[2] then return {'fenced'} end
redis.call('HSET', KEYS[1], 't.lease', stamp(now() + tonumber(ARGV[3])))
return {'ok', turn[3], turn[4]}
