-- Adds messages of a file to a conversation that an import has brought before. Each hangs below its parent, at the root
-- where that is not there; one that is there already is left alone. Where the view is at the parent, it goes along.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams
-- ARGV owner, updated_at, retention_s, retention_messages, title (for a conversation that was cleared), then id, parent (`-` at the root), value without its place
-- (its JSON, to which the depth is added), …
local meta, messages, order, turns, idempotency, tree, ngrams = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7], KEYS[8]
local had = redis.call('HMGET', meta, 'owner', 'head', 'updated_at', 't.id')
if had[1] ~= ARGV[1] then return {'missing'} end
local head, added, orphans = had[2], 0, 0
for i = 6, #ARGV, 3 do
  local id, parent = ARGV[i], ARGV[i + 1]
  if redis.call('HEXISTS', messages, id) == 0 then
    local branch, depth = '-', -1
    local above = parent ~= '-' and redis.call('HGET', messages, parent)
    if above then
      local _, _, on = header(above)
      branch, depth = on, depth_of(above)
    elseif parent ~= '-' then
      parent, orphans = '-', orphans + 1
    end
    branch, depth = grow(meta, tree, id, parent, branch, depth), depth + 1
    redis.call('HSET', messages, id, parent .. ' - ' .. branch .. '\n' .. splice(ARGV[i + 2], '"n":' .. depth))
    redis.call('ZADD', order, redis.call('HINCRBY', meta, 'last', 1), id)
    mark_unindexed(meta, ngrams, id)
    if not had[4] and (parent == head or head == '' or not head) then
      head = id
      redis.call('HSET', meta, 'head', id, 'depth', depth, 'branch', branch)
    end
    added = added + 1
  end
end
local left = redis.call('HDEL', meta, 'staged') == 1 -- an import that was cut off when all was there
if added > 0 and ARGV[5] ~= '' and redis.call('HGET', meta, 'title') == '' then
  redis.call('HSET', meta, 'title', ARGV[5])
  mark_unindexed(meta, ngrams, title_token(ARGV[5]))
end
if added > 0 or left then
  if tonumber(ARGV[2]) > tonumber(had[3] or '0') then redis.call('HSET', meta, 'updated_at', ARGV[2]) end
  trim(meta, messages, order, turns, idempotency, tree, tonumber(ARGV[4]))
  keep(meta, KEYS, tonumber(ARGV[3]), now())
  ring(meta)
end
return {'ok', added, orphans}
