-- Removes everything a conversation holds, or everything but the conversation itself. `lingering` names the turns
-- whose working keys still exist; when it names others than the caller brought keys for, nothing is done and the
-- caller asks again. Of a conversation that stays, hashes of its idempotency keys outlive the erasure: a request that is
-- repeated because its answer was lost must not bring the text back.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams, erased, then log, text, reasoning of each turn
-- ARGV owner, keep_conversation, retention_s, turn_id, ...
local meta, idempotency, lingering, erased = KEYS[1], KEYS[5], KEYS[6], KEYS[9]
local REPEATED_WITHIN_S, MOST_KEYS = 86400, 5000
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local brought = {}
for i = 4, #ARGV do brought[ARGV[i]] = true end
for _, turn_id in ipairs(redis.call('ZRANGE', lingering, 0, -1)) do
  if not brought[turn_id] then return {'again'} end
end
local hashes = ARGV[2] == '1' and hashed_keys(redis.call('HGETALL', idempotency), MOST_KEYS) or {}
ring(meta)
for i = 2, #KEYS do
  if KEYS[i] ~= erased then redis.call('UNLINK', KEYS[i]) end
end
if ARGV[2] ~= '1' then
  redis.call('UNLINK', meta, erased)
  return {'ok'}
end
free(meta)
redis.call('HDEL', meta, 'last', 'branches', 'pins', 'unsigned', 'signed', 'titled', 'join')
redis.call('HSET', meta, 'title', '', 'head', '', 'depth', '-1', 'branch', '-', 'count', '0')
keep(meta, {meta}, tonumber(ARGV[3]), now())
if #hashes > 0 then
  if redis.call('HLEN', erased) + #hashes > MOST_KEYS then redis.call('UNLINK', erased) end
  for _, pair in ipairs(hashes) do redis.call('HSET', erased, pair[1], pair[2]) end
  redis.call('HSET', meta, 'erased', '1')
  redis.call('EXPIRE', erased, REPEATED_WITHIN_S)
  local last_ms = redis.call('PEXPIRETIME', meta)
  if last_ms > 0 then redis.call('PEXPIREAT', erased, last_ms, 'LT') end
end
return {'ok'}
