-- Logs one event each of many running turns, adds a piece to a turn's text and renews its lease. A repeated seq adds
-- nothing; one that leaves a gap says that the store has lost what came before it (a replica took over that had not
-- received it yet). In a Cluster a call holds one turn, elsewhere as many as there are: what a call costs by itself is
-- then shared. KEYS meta, log, piece (text or reasoning) of each
-- ARGV worker, lease_s, log_events, then turn_id, epoch, seq, kind, value of each
local worker, log_events = ARGV[1], ARGV[3]
local at = now()
local moment, lease = stamp(at), stamp(at + tonumber(ARGV[2]))

local function log_event(meta, log, piece, turn_id, epoch, seq, kind, value)
  local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.worker', 't.seq', 't.stop', 't.first')
  local refused = refusal(turn, turn_id, epoch, worker)
  if refused then return refused[1] end
  local fate = turn[5] == '1' and 'stop' or 'ok'
  local number, last = tonumber(seq), tonumber(turn[4])
  if number <= last then
    redis.call('HSET', meta, 't.lease', lease)
    return fate
  end
  if number > last + 1 then return 'behind' end

  if not redis.call('XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', log_events, epoch .. '-' .. seq, kind, value) then
    return 'ended' -- the log outlived its time; without it no viewer could follow
  end
  if kind == 'd' and not turn[6] then
    redis.call('HSET', meta, 't.seq', seq, 't.lease', lease, 't.first', moment)
  else
    redis.call('HSET', meta, 't.seq', seq, 't.lease', lease)
  end
  if (kind == 'd' or kind == 'r') and redis.call('APPEND', piece, value) == #value then
    expire_working(meta, piece)
  end
  ring(meta)
  return fate
end

local fates = {}
for turn = 1, #KEYS / 3 do
  local key, arg = turn * 3 - 2, turn * 5 - 1
  local fine, fate = pcall(log_event, KEYS[key], KEYS[key + 1], KEYS[key + 2],
    ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3], ARGV[arg + 4])
  -- An error is one event's alone, and comes in its place. Some servers throw it as a table, others as text.
  fates[turn] = fine and fate or {err = type(fate) == 'table' and fate.err or fate}
end
return fates
