-- Puts a conversation into its owner's list, or takes it out, and tells the owner's tabs what has happened.
-- The list expires after the last of its conversations.
-- KEYS list, pinned, feed
-- ARGV conversation_id, updated_at (empty: take out), pinned (1, 0, or empty: as it is), retention_s, change (empty: none),
-- feed_changes, feed_s
-- Removal comes first: a script that has begun with one may write on a full server too (see `stop`), and what follows an
-- erasure has to.
if ARGV[3] == '0' then redis.call('SREM', KEYS[2], ARGV[1]) end
if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  if ARGV[3] == '1' then redis.call('SADD', KEYS[2], ARGV[1]) end
end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'c', ARGV[5])
  redis.call('EXPIRE', KEYS[3], ARGV[7])
  ring(KEYS[1])
end
keep_list(KEYS[1], KEYS[2], tonumber(ARGV[4]))
return {'ok'}
