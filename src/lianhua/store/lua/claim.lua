-- Takes over a running turn whose lease has run out; the epoch rises, so its former worker writes nothing more.
-- It rises with the turn's age: should a failover lose this claim, a later one still gets another epoch, and no id
-- comes twice. Seq 0 of the new epoch stays free: a snapshot given to a viewer before the next event takes it as its
-- id. A lease of 0 was given up in order (`release`); any other that has run out counts as a loss of its worker.
-- KEYS meta, text, reasoning, turns   ARGV turn_id, worker, lease_s
local meta = KEYS[1]
local turn = redis.call('HMGET', meta, 't.id', 't.lease', 't.stop', 't.epoch', 't.started', 't.losses', 't.claim',
  't.seq')
if turn[1] ~= ARGV[1] then return {'ended'} end
local at = now()
local left = tonumber(turn[2]) - at
local epoch, losses = tonumber(turn[4]), tonumber(turn[6])
if left < 0 then
  epoch = math.max(epoch + 1, math.floor(at - tonumber(turn[5])) + 2)
  if turn[2] ~= '0' then losses = losses + 1 end
elseif turn[7] ~= ARGV[2] or turn[8] ~= '0' then
  return {'held', stamp(left)}
end -- else it is our own claim: its answer was lost, and nothing was written since
redis.call('HSET', meta, 't.epoch', string.format('%d', epoch), 't.seq', '0', 't.worker', ARGV[2], 't.claim', ARGV[2],
  't.losses', losses, 't.lease', stamp(at + tonumber(ARGV[3])))
ring(meta)
local owner, record = redis.call('HGET', meta, 'owner'), redis.call('HGET', KEYS[4], ARGV[1])
return {'claimed', owner, string.format('%d', epoch), string.format('%d', losses), turn[3],
  redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or '', record}
