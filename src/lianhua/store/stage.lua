-- Writes an imported conversation, or a part of one that is long. It is in nobody's list yet, and expires unless it is
-- settled. `taken`: the id is another conversation's.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, grams
-- ARGV owner, import, ttl_s, signature (a bitmap, or empty), then three times a number and so many fields: meta's (name,
-- value), the tree's (name, value), messages (id, value, age; an empty age for a pinned one)
local meta, messages, order, tree, grams = KEYS[1], KEYS[2], KEYS[3], KEYS[7], KEYS[8]
local had = redis.call('HMGET', meta, 'owner', 'import')
if had[1] and (had[1] ~= ARGV[1] or had[2] ~= ARGV[2]) then return {'taken'} end
redis.call('HSET', meta, 'owner', ARGV[1], 'import', ARGV[2])
if ARGV[4] ~= '' then redis.call('SET', grams, ARGV[4]) end
local at = 5
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
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[3]) end
return {'ok'}
