-- Opens a conversation; its fields. Repeating it with the same id changes nothing.
-- KEYS meta, ngrams   ARGV owner, role, model, title, retention_s, field, …
local at = now()
if redis.call('HSETNX', KEYS[1], 'owner', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'role', ARGV[2], 'model', ARGV[3], 'title', ARGV[4], 'pinned', '0',
    'created_at', stamp(at), 'updated_at', stamp(at), 'head', '', 'depth', '-1', 'branch', '-', 'count', '0')
  if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[1], 'titled', 'user')
    mark_unindexed(KEYS[1], KEYS[2], title_token(ARGV[4]))
  end
  keep(KEYS[1], KEYS, tonumber(ARGV[5]), at)
end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 6))
