-- Ends the running turn: the end event, the reply as a message, the record, the conversation free again. The first end
-- wins. KEYS meta, messages, order, turns, idempotency, lingering, log, text, reasoning
-- ARGV turn_id, epoch, seq, end_event, reply_message_id, reply, record, text_bytes, reasoning_bytes, retention_s,
--      retention_messages, linger_s
local meta, messages, order, turns, idempotency, lingering, log, text, reasoning = unpack(KEYS)
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.user', 't.started', 't.first', 'depth')
if turn[1] ~= ARGV[1] then return {'ended'} end
if turn[2] ~= ARGV[2] then return {'fenced'} end
-- What is kept as the reply must be what viewers saw, to the byte.
if redis.call('STRLEN', text) ~= tonumber(ARGV[8]) or redis.call('STRLEN', reasoning) ~= tonumber(ARGV[9]) then
  return {'mismatch'}
end

local at = now()
local depth = tonumber(turn[6]) + 1
local times = '"started_at":' .. turn[4] .. ',"ended_at":' .. stamp(at)
if turn[5] then times = times .. ',"first_token_at":' .. turn[5] end
redis.call('XADD', log, ARGV[2] .. '-' .. ARGV[3], 'e', ARGV[4])
redis.call('HSET', messages, ARGV[5],
  turn[3] .. ' ' .. ARGV[1] .. '\n' .. splice(ARGV[6], '"timestamp":' .. stamp(at) .. ',"n":' .. depth))
redis.call('ZADD', order, redis.call('HINCRBY', meta, 'last', 1), ARGV[5])
redis.call('HSET', turns, ARGV[1], splice(ARGV[7], times))
redis.call('HSET', meta, 'head', ARGV[5], 'depth', depth, 'updated_at', stamp(at))
free(meta)
for _, key in ipairs({log, text, reasoning}) do redis.call('EXPIRE', key, ARGV[12]) end
redis.call('ZADD', lingering, at + tonumber(ARGV[12]), ARGV[1])
trim(meta, messages, order, turns, idempotency, tonumber(ARGV[11]))
keep(meta, {meta, messages, order, turns, idempotency, lingering}, tonumber(ARGV[10]), at)
ring(meta)
return {'ok'}
