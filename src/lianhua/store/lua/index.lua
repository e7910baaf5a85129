-- Adds bits to what the search asks first, and takes the texts that they are of off the list of those it does not know
-- yet. A text that is no longer on the list was signed by somebody else, or is gone with all others: nothing is done.
-- KEYS meta, ngrams, scratch   ARGV owner, bitmap, title (as it was when the bits were made), id, ...
local meta, ngrams, scratch = unpack(KEYS)
local info = redis.call('HMGET', meta, 'owner', 'title', 'unsigned')
if info[1] ~= ARGV[1] then return {'missing'} end
local signed, left, some = {}, {}, false
for i = 4, #ARGV do signed[ARGV[i]] = true end
for id in string.gmatch(info[3] or '', '%S+') do
  local replaced = string.sub(id, 1, 6) == 'title:' and info[2] ~= ARGV[3]
  if signed[id] and not replaced then some = true else left[#left + 1] = id end
end
if not some then return {'ok'} end
redis.call('SET', scratch, ARGV[2])
redis.call('BITOP', 'OR', ngrams, ngrams, scratch)
redis.call('DEL', scratch)
if #left == 0 then
  redis.call('HDEL', meta, 'unsigned')
  redis.call('SETBIT', ngrams, 0, 0)
else
  redis.call('HSET', meta, 'unsigned', table.concat(left, ' '))
end
expire_with(meta, ngrams)
return {'ok'}
