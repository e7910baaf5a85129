-- Replaces the record of a running turn: its prompt was made again, with a smaller window or by another worker.
-- KEYS meta, turns   ARGV turn_id, epoch, worker, record
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.epoch', 't.worker', 't.stop', 't.started')
local refused = refusal(turn, ARGV[1], ARGV[2], ARGV[3])
if refused then return refused end
redis.call('HSET', KEYS[2], ARGV[1], with_time(ARGV[4], 's', turn[5]))
return {'ok', turn[4]}
