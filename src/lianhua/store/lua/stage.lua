-- Writes an imported conversation, or a part of one that is long. It is in nobody's list yet, and expires unless it is
-- settled. `taken`: the id is somebody else's. `mine`: the owner has a conversation of that id. `left`, with its mark:
-- an import of the owner has staged one and not settled it; the caller looks whether it is listed, and replaces it.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams
-- ARGV owner, import, replaced (the mark of an import whose conversation goes, or empty), ttl_s, signature (a bitmap, or
-- empty), then three times a number and so many fields: meta's (name, value), the tree's (name, value), messages (id,
-- value, age; an empty age for a pinned one)
local meta, messages, order, tree, ngrams = KEYS[1], KEYS[2], KEYS[3], KEYS[7], KEYS[8]
local had = redis.call('HMGET', meta, 'owner', 'import', 'staged', 't.id')
if had[1] and had[1] ~= ARGV[1] then return {'taken'} end
if had[1] and had[2] ~= ARGV[2] then
  if not had[3] or had[4] then return {'mine'} end
  if had[2] ~= ARGV[3] then return {'left', had[2]} end
  for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end
end
redis.call('HSET', meta, 'owner', ARGV[1], 'import', ARGV[2], 'staged', '1')
if ARGV[5] ~= '' then redis.call('SET', ngrams, ARGV[5]) end
local at = 6
local function each(width, write)
  local last = at + tonumber(ARGV[at]) * width
  for i = at + 1, last, width do write(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
  at = last + 1
end
each(2, function(name, value) redis.call('HSET', meta, name, value) end)
each(2, function(name, value) redis.call('HSET', tree, name, value) end)
each(3, function(id, value, age)
  redis.call('HSET', messages, id, value)
  if age ~= '' then redis.call('ZADD', order, age, id) end
end)
expire_at(meta, KEYS, now() + ARGV[4])
return {'ok'}
