-- Removes what an import that has failed had written. `another`: of that id there is a conversation of another origin.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams   ARGV owner, import
local had = redis.call('HMGET', KEYS[1], 'owner', 'import')
if had[1] and (had[1] ~= ARGV[1] or had[2] ~= ARGV[2]) then return {'another'} end
for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end
return {'ok'}
