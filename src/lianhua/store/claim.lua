-- Takes over a running turn whose lease has run out; the epoch rises, so its former worker writes nothing more.
-- Seq 0 of the new epoch stays free: a snapshot given to a viewer before the next event takes it as its id.
-- A lease of 0 was given up in order (`release`); any other that has run out counts as a loss of its worker.
-- KEYS meta, text, reasoning, turns   ARGV turn_id, worker, lease_s
local meta = KEYS[1]
local turn = redis.call('HMGET', meta, 't.id', 't.lease', 't.stop')
if turn[1] ~= ARGV[1] then return {'ended'} end
local at = now()
local left = tonumber(turn[2]) - at
if left >= 0 then return {'held', stamp(left)} end
local epoch = redis.call('HINCRBY', meta, 't.epoch', 1)
local losses = redis.call('HINCRBY', meta, 't.losses', turn[2] == '0' and 0 or 1)
redis.call('HSET', meta, 't.seq', '0', 't.worker', ARGV[2], 't.lease', stamp(at + tonumber(ARGV[3])))
ring(meta)
local owner, record = redis.call('HGET', meta, 'owner'), redis.call('HGET', KEYS[4], ARGV[1])
return {'claimed', owner, tostring(epoch), tostring(losses), turn[3], redis.call('GET', KEYS[2]) or '',
  redis.call('GET', KEYS[3]) or '', record}
