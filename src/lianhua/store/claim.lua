-- Takes over a running turn whose lease has run out; the epoch rises, so its former worker writes nothing more.
-- Seq 0 of the new epoch stays free: a snapshot given to a viewer before the next event takes it as its id.
-- KEYS meta, text, reasoning, turns   ARGV turn_id, worker, lease_s
local meta = KEYS[1]
local turn = redis.call('HMGET', meta, 't.id', 't.lease')
if turn[1] ~= ARGV[1] then return {'ended'} end
local at = now()
if tonumber(turn[2]) >= at then return {'held'} end
local epoch = redis.call('HINCRBY', meta, 't.epoch', 1)
redis.call('HSET', meta, 't.seq', '0', 't.worker', ARGV[2], 't.lease', stamp(at + tonumber(ARGV[3])))
return {'claimed', tostring(epoch), redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or '',
  redis.call('HGET', KEYS[4], ARGV[1])}
