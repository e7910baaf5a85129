-- Removes everything a conversation holds, or everything but the conversation itself. `lingering` names the turns
-- whose working keys still exist; when it names others than the caller brought keys for, nothing is done and the
-- caller asks again. KEYS meta, messages, order, turns, idempotency, lingering, tree, grams,
-- then log, text, reasoning of each turn   ARGV owner, keep_conversation, retention_s, turn_id, ...
local meta, lingering = KEYS[1], KEYS[6]
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local brought = {}
for i = 4, #ARGV do brought[ARGV[i]] = true end
for _, turn_id in ipairs(redis.call('ZRANGE', lingering, 0, -1)) do
  if not brought[turn_id] then return {'again'} end
end
ring(meta)
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
if ARGV[2] ~= '1' then
  redis.call('UNLINK', meta)
  return {'ok'}
end
free(meta)
redis.call('HDEL', meta, 'last', 'branches', 'pins', 'unsigned', 'signed', 'titled')
redis.call('HSET', meta, 'title', '', 'head', '', 'depth', '-1', 'branch', '-', 'count', '0')
keep(meta, {meta}, tonumber(ARGV[3]), now())
return {'ok'}
