-- An imported conversation is in its owner's list: from now on it expires as any other. `another`: it is there no more.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams   ARGV owner, import, retention_s
local had = redis.call('HMGET', KEYS[1], 'owner', 'import')
if had[1] ~= ARGV[1] or had[2] ~= ARGV[2] then return {'another'} end
redis.call('HDEL', KEYS[1], 'staged')
keep(KEYS[1], KEYS, tonumber(ARGV[3]), now())
return {'ok'}
