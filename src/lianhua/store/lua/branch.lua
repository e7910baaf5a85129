-- Makes a message's branch the current one, down to its newest end; where it is current already, nothing changes.
-- KEYS meta, messages, tree, order   ARGV owner, message_id, go on from (a message id below it; at first the same), steps
-- `more`: the end is further down than one call should look; the caller asks again from the id that comes with it.
local meta, messages, tree, order = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local value = redis.call('HGET', messages, ARGV[2])
if not value then return {'no_message'} end
local _, _, branch = header(value)
local head = redis.call('HMGET', meta, 'branch', 'depth')
local on_way = way_to(tree, head[1], tonumber(head[2]))[branch]
if on_way and depth_of(value) <= on_way then return {'ok'} end

-- What comes after a pinned message may be dropped, and newer messages of its branch be there all the same.
local LOOKED_AT = 200
local function newest_below(on, depth)
  for _, id in ipairs(redis.call('ZREVRANGE', order, 0, LOOKED_AT - 1)) do
    local found = redis.call('HGET', messages, id)
    local _, _, of = header(found)
    local at = depth_of(found)
    local way = at > depth and way_to(tree, of, at)
    if way and way[on] and way[on] >= depth then return id, of, at end
  end
end

local id = ARGV[3]
for _ = 1, tonumber(ARGV[4]) do
  local children = redis.call('HGET', tree, 'c:' .. id)
  if not children then
    value = redis.call('HGET', messages, id)
    if not value then return {'no_message'} end
    local _, _, on = header(value)
    local depth = depth_of(value)
    local _, _, tip = fork_of(tree, on)
    if tip > depth then
      local newer, of, at = newest_below(on, depth)
      if newer then id, on, depth = newer, of, at end
    end
    redis.call('HSET', meta, 'head', id, 'depth', depth, 'branch', on)
    return {'ok'}
  end
  id = string.match(children, '(%S+)$')
end
return {'more', id}
