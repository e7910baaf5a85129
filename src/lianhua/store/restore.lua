-- Puts back what a store has lost of a running turn: its worker knows all of it. The log begins anew with the latest
-- event; viewers who were further behind get a snapshot.
-- KEYS meta, log, text, reasoning   ARGV turn_id, epoch, seq, kind, value, text, reasoning, lease_s, working_ttl_s
local meta, log, text, reasoning = unpack(KEYS)
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.seq', 't.stop', 't.first')
if turn[1] ~= ARGV[1] then return {'ended'} end
if turn[2] ~= ARGV[2] then return {'fenced'} end
if tonumber(turn[3]) >= tonumber(ARGV[3]) then return {'ok', turn[4]} end
local at = now()
local ttl_s = working_ttl(meta, ARGV[9])
redis.call('DEL', log, text, reasoning)
redis.call('XADD', log, ARGV[2] .. '-' .. ARGV[3], ARGV[4], ARGV[5])
redis.call('EXPIRE', log, ttl_s)
if ARGV[6] ~= '' then redis.call('SET', text, ARGV[6], 'EX', ttl_s) end
if ARGV[7] ~= '' then redis.call('SET', reasoning, ARGV[7], 'EX', ttl_s) end
redis.call('HSET', meta, 't.seq', ARGV[3], 't.lease', stamp(at + tonumber(ARGV[8])))
if not turn[5] and ARGV[6] ~= '' then redis.call('HSET', meta, 't.first', stamp(at)) end
ring(meta)
return {'ok', turn[4]}
