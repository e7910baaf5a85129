-- Changes fields of a conversation and counts as activity for its expiry, so that unpinning an old one does not end it.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams   ARGV owner, retention_s, field, value, ...
local meta, ngrams = KEYS[1], KEYS[8]
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
for i = 3, #ARGV, 2 do
  redis.call('HSET', meta, ARGV[i], ARGV[i + 1])
  if ARGV[i] == 'title' then
    redis.call('HSET', meta, 'titled', 'user')
    mark_unindexed(meta, ngrams, title_token(ARGV[i + 1]))
  end
end
keep(meta, KEYS, tonumber(ARGV[2]), now())
return {'ok'}
