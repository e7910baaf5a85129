-- Logs one event of the running turn, adds a piece to its text and renews the lease. A repeated seq changes nothing;
-- one that leaves a gap says that the store has lost what came before it (a replica took over that had not received it
-- yet). KEYS meta, log, piece (text or reasoning)
-- ARGV turn_id, epoch, seq, kind, value, lease_s, working_ttl_s, log_events
local meta, log, piece = unpack(KEYS)
local seq = tonumber(ARGV[3])
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.seq', 't.stop', 't.first')
if turn[1] ~= ARGV[1] then return {'ended'} end
if turn[2] ~= ARGV[2] then return {'fenced'} end
if seq <= tonumber(turn[3]) then return {'ok', turn[4]} end
if seq > tonumber(turn[3]) + 1 then return {'behind'} end

local at = now()
if not redis.call('XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[8], ARGV[2] .. '-' .. ARGV[3], ARGV[4], ARGV[5]) then
  return {'ended'} -- the log outlived its time; without it no viewer could follow
end
redis.call('HSET', meta, 't.seq', ARGV[3], 't.lease', stamp(at + tonumber(ARGV[6])))
if ARGV[4] == 'd' or ARGV[4] == 'r' then
  if redis.call('APPEND', piece, ARGV[5]) == #ARGV[5] then
    redis.call('EXPIRE', piece, working_ttl(meta, ARGV[7]))
  end
  if not turn[5] and ARGV[4] == 'd' then redis.call('HSET', meta, 't.first', stamp(at)) end
end
ring(meta)
return {'ok', turn[4]}
