-- Opens a conversation. Repeating it with the same id changes nothing.
-- KEYS meta   ARGV owner, role, model, title, retention_s
local at = now()
if redis.call('HSETNX', KEYS[1], 'owner', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'role', ARGV[2], 'model', ARGV[3], 'title', ARGV[4], 'pinned', '0',
    'created_at', stamp(at), 'updated_at', stamp(at), 'head', '', 'depth', '-1', 'count', '0')
  keep(KEYS[1], {KEYS[1]}, tonumber(ARGV[5]), at)
end
return {'ok'}
