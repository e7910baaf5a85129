-- Logs one event of the running turn, adds a piece to its text and renews the lease. A repeated seq changes nothing;
-- one that leaves a gap says that the store has lost what came before it (a replica took over that had not received it
-- yet). KEYS meta, log, piece (text or reasoning)
-- ARGV turn_id, epoch, worker, seq, kind, value, lease_s, working_ttl_s, log_events
local meta, log, piece = unpack(KEYS)
local _, epoch, _, seq, kind, value = unpack(ARGV)
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.worker', 't.seq', 't.stop', 't.first')
local refused = refusal(turn, ARGV[1], epoch, ARGV[3])
if refused then return refused end
local last = tonumber(turn[4])
if tonumber(seq) <= last then return {'ok', turn[5]} end
if tonumber(seq) > last + 1 then return {'behind'} end

local at = now()
if not redis.call('XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[9], epoch .. '-' .. seq, kind, value) then
  return {'ended'} -- the log outlived its time; without it no viewer could follow
end
redis.call('HSET', meta, 't.seq', seq, 't.lease', stamp(at + tonumber(ARGV[7])))
if kind == 'd' or kind == 'r' then
  if redis.call('APPEND', piece, value) == #value then
    redis.call('EXPIRE', piece, working_ttl(meta, ARGV[8]))
  end
  if not turn[6] and kind == 'd' then redis.call('HSET', meta, 't.first', stamp(at)) end
end
ring(meta)
return {'ok', turn[5]}
