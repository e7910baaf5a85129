-- Puts all conversations of an import into their owner's list at once, and tells the owner's tabs. They stand in a list
-- of their own until then, which has grown in pieces: one call with all of them would hold their process up for too long.
-- KEYS list, pinned, feed, new list, new pinned   ARGV retention_s, feed_changes, feed_s, reread (1: more have come than
-- tabs are told of one by one), change, …
local listed, pinned, feed = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZUNIONSTORE', listed, 2, listed, KEYS[4], 'AGGREGATE', 'MAX')
redis.call('SUNIONSTORE', pinned, pinned, KEYS[5])
redis.call('UNLINK', KEYS[4], KEYS[5])
keep_list(listed, pinned, tonumber(ARGV[1]))
if ARGV[4] == '1' then redis.call('DEL', feed) end -- a cursor that it does not know makes a tab read all anew
for i = 5, #ARGV do redis.call('XADD', feed, 'MAXLEN', '~', ARGV[2], '*', 'c', ARGV[i]) end
redis.call('EXPIRE', feed, ARGV[3])
ring(listed)
return {'ok'}
