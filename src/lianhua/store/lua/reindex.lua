-- Replaces what the search asks first, if the conversation is still as it was read to make it. `signed` keeps when that
-- was, so that it is not made again before much has changed.
-- KEYS meta, ngrams   ARGV owner, bitmap, title, last, unsigned
local meta, ngrams = unpack(KEYS)
local info = redis.call('HMGET', meta, 'owner', 'title', 'last', 'unsigned')
if info[1] ~= ARGV[1] then return {'missing'} end
if info[2] ~= ARGV[3] or (info[3] or '') ~= ARGV[4] or (info[4] or '') ~= ARGV[5] then return {'changed'} end
redis.call('SET', ngrams, ARGV[2])
redis.call('HDEL', meta, 'unsigned')
redis.call('HSET', meta, 'signed', ARGV[4])
expire_with(meta, ngrams)
return {'ok'}
