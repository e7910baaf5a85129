-- Renews the lease of a running turn; brings back its stop flag and the last seq that the store has.
-- KEYS meta   ARGV turn_id, epoch, worker, lease_s
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.epoch', 't.worker', 't.stop', 't.seq')
local refused = refusal(turn, ARGV[1], ARGV[2], ARGV[3])
if refused then return refused end
redis.call('HSET', KEYS[1], 't.lease', stamp(now() + tonumber(ARGV[4])))
return {'ok', turn[4], turn[5]}
