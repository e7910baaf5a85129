-- Puts a better title in the place of the one that the first message gave, unless somebody has named the conversation.
-- No activity: the expiry stays. KEYS meta, ngrams   ARGV owner, the title to replace, title
local meta = KEYS[1]
local had = redis.call('HMGET', meta, 'owner', 'title', 'titled')
if had[1] ~= ARGV[1] then return {'missing'} end
if had[3] or had[2] ~= ARGV[2] then return {'kept'} end
redis.call('HSET', meta, 'title', ARGV[3], 'titled', 'model')
mark_unindexed(meta, KEYS[2], title_token(ARGV[3]))
expire_with(meta, KEYS[2])
return {'ok'}
