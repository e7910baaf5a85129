-- Puts back what a store has lost of a running turn: its worker knows all of it. The log begins anew with the latest
-- event; viewers who were further behind get a snapshot. A lost claim is put back as well. The same step replaces what was
-- shown by what is right, the latest event being the snapshot that says so (kind `s`).
-- KEYS meta, log, text, reasoning
-- ARGV turn_id, epoch, worker, seq, kind, value, text, reasoning, lease_s, losses
local meta, log, text, reasoning = unpack(KEYS)
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.worker', 't.seq', 't.stop', 't.first')
local refused = refusal(turn, ARGV[1], ARGV[2], ARGV[3])
local claim_lost = refused and refused[1] == 'behind'
if refused and not claim_lost then return refused end
if not claim_lost and tonumber(turn[4]) >= tonumber(ARGV[4]) then return {'ok', turn[5]} end
local at = now()
redis.call('DEL', log, text, reasoning)
redis.call('XADD', log, ARGV[2] .. '-' .. ARGV[4], ARGV[5], ARGV[6])
if ARGV[7] ~= '' then redis.call('SET', text, ARGV[7]) end
if ARGV[8] ~= '' then redis.call('SET', reasoning, ARGV[8]) end
for _, key in ipairs({log, text, reasoning}) do expire_working(meta, key) end
redis.call('HSET', meta, 't.epoch', ARGV[2], 't.worker', ARGV[3], 't.seq', ARGV[4], 't.losses', ARGV[10],
  't.lease', stamp(at + tonumber(ARGV[9])))
if not turn[6] and ARGV[7] ~= '' then redis.call('HSET', meta, 't.first', stamp(at)) end
ring(meta)
return {'ok', turn[5]}
