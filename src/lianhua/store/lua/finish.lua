-- Ends the running turn: the end event, the reply as a message, the record, the conversation free again. The first end
-- wins. KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams, log, text, reasoning
-- ARGV turn_id, epoch, worker, seq, end_event, reply_message_id, reply, record, text_bytes, reasoning_bytes,
-- retention_s, retention_messages, linger_s, model, prompt_tokens, completion_tokens, estimated (1 or 0)
local meta, messages, order, turns, idempotency, lingering, tree, ngrams, log, text, reasoning = unpack(KEYS)
local turn = redis.call('HMGET', meta, 't.id', 't.epoch', 't.worker', 't.user', 't.started', 't.first', 't.at', 'head',
  'usage', 'updated_at')
local refused = refusal(turn, ARGV[1], ARGV[2], ARGV[3])
if refused then return refused end
-- What is kept as the reply must be what viewers saw, to the byte.
if redis.call('STRLEN', text) ~= tonumber(ARGV[9]) or redis.call('STRLEN', reasoning) ~= tonumber(ARGV[10]) then
  return {'behind'}
end

local at = now()
local record = with_time(with_time(ARGV[8], 's', turn[5]), 'e', stamp(at))
if turn[6] then record = with_time(record, 'f', turn[6]) end
redis.call('XADD', log, ARGV[2] .. '-' .. ARGV[4], 'e', ARGV[5])
local branch, depth = string.match(turn[7], '^(%S+) (%S+)$')
depth = tonumber(depth)
branch = grow(meta, tree, ARGV[6], turn[4], branch, depth)
redis.call('HSET', messages, ARGV[6], turn[4] .. ' ' .. ARGV[1] .. ' ' .. branch .. '\n'
  .. splice(ARGV[7], '"timestamp":' .. stamp(at) .. ',"n":' .. depth + 1))
redis.call('ZADD', order, redis.call('HINCRBY', meta, 'last', 1), ARGV[6])
redis.call('HSET', turns, ARGV[1], record)
redis.call('HSET', meta, 'updated_at', stamp(used_at(at, turn[10])))
if turn[8] == turn[4] then -- else somebody has turned to another branch meanwhile
  redis.call('HSET', meta, 'head', ARGV[6], 'depth', depth + 1, 'branch', branch)
end

local spent = turn[9] and turn[9] ~= '' and cjson.decode(turn[9]) or {}
local sums = spent[ARGV[14]] or {turns = 0, prompt = 0, completion = 0, estimated = 0}
local prompt, completion = tonumber(ARGV[15]), tonumber(ARGV[16])
sums.turns = sums.turns + 1
local function add(name, tokens) sums[name] = math.min(sums[name] + tokens, 7e13) end -- cjson writes 14 digits
add('prompt', prompt)
add('completion', completion)
if ARGV[17] == '1' then add('estimated', prompt + completion) end
spent[ARGV[14]] = sums
redis.call('HSET', meta, 'usage', cjson.encode(spent))

mark_unindexed(meta, ngrams, ARGV[6])
free(meta)
redis.call('ZADD', lingering, at + tonumber(ARGV[13]), ARGV[1])
trim(meta, messages, order, turns, idempotency, tree, tonumber(ARGV[12]))
keep(meta, {meta, messages, order, turns, idempotency, lingering, tree, ngrams}, tonumber(ARGV[11]), at)
local last_ms = redis.call('PEXPIRETIME', meta)
for _, key in ipairs({log, text, reasoning}) do
  redis.call('EXPIRE', key, ARGV[13])
  if last_ms > 0 then redis.call('PEXPIREAT', key, last_ms, 'LT') end
end
ring(meta)
return {'ok'}
