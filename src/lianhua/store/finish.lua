-- Ends the running turn: the end event, the reply as a message, the record, the conversation free again. The first end
-- wins. KEYS meta, messages, order, turns, idempotency, lingering, log, text, reasoning
-- ARGV turn_id, epoch, worker, seq, end_event, reply_message_id, reply, record, text_bytes, reasoning_bytes,
-- retention_s,      retention_messages, linger_s
local meta, messages, order, turns, idempotency, lingering, log, text, reasoning = unpack(KEYS)
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.worker', 't.user', 't.started', 't.first', 'depth')
local refused = refusal(turn, ARGV[1], ARGV[2], ARGV[3])
if refused then return refused end
-- What is kept as the reply must be what viewers saw, to the byte.
if redis.call('STRLEN', text) ~= tonumber(ARGV[9]) or redis.call('STRLEN', reasoning) ~= tonumber(ARGV[10]) then
  return {'behind'}
end

local at = now()
local depth = tonumber(turn[7]) + 1
local times = '"started_at":' .. turn[5] .. ',"ended_at":' .. stamp(at)
if turn[6] then times = times .. ',"first_token_at":' .. turn[6] end
redis.call('XADD', log, ARGV[2] .. '-' .. ARGV[4], 'e', ARGV[5])
redis.call('HSET', messages, ARGV[6],
  turn[4] .. ' ' .. ARGV[1] .. '\n' .. splice(ARGV[7], '"timestamp":' .. stamp(at) .. ',"n":' .. depth))
redis.call('ZADD', order, redis.call('HINCRBY', meta, 'last', 1), ARGV[6])
redis.call('HSET', turns, ARGV[1], splice(ARGV[8], times))
redis.call('HSET', meta, 'head', ARGV[6], 'depth', depth, 'updated_at', stamp(at))
free(meta)
for _, key in ipairs({log, text, reasoning}) do redis.call('EXPIRE', key, ARGV[13]) end
redis.call('ZADD', lingering, at + tonumber(ARGV[13]), ARGV[1])
trim(meta, messages, order, turns, idempotency, tonumber(ARGV[12]))
keep(meta, {meta, messages, order, turns, idempotency, lingering}, tonumber(ARGV[11]), at)
ring(meta)
return {'ok'}
