-- Changes fields of a conversation and counts as activity for its expiry, so that unpinning an old one does not end it.
-- KEYS meta, messages, order, turns, idempotency, lingering   ARGV owner, retention_s, field, value, ...
local meta = KEYS[1]
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
for i = 3, #ARGV, 2 do redis.call('HSET', meta, ARGV[i], ARGV[i + 1]) end
keep(meta, KEYS, tonumber(ARGV[2]), now())
return {'ok'}
