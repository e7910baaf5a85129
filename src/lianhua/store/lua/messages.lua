-- A page of a branch: the messages from one (or from the newest) back through their parents, newest first, then the
-- pinned ones that are left of what retention has dropped. KEYS meta, messages, tree
-- ARGV owner, before (a message id, or empty), limit, limit_bytes (one message comes whatever it has). Last in the answer:
-- the depth of the message at which the bytes ended the page, or empty
local meta, messages, tree = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local info = redis.call('HMGET', meta, 'head', 'depth', 'branch', 'pins', 'count')
local id, branch, depth = info[1], info[3], tonumber(info[2]) + 1
if ARGV[2] ~= '' then
  local value = redis.call('HGET', messages, ARGV[2])
  if not value then return {'no_message'} end
  local parent, _, on = header(value)
  id, branch, depth = parent, on, depth_of(value)
end
local page, siblings, limit, room = {}, {}, tonumber(ARGV[3]), tonumber(ARGV[4])
local full_at = ''
local function add(value, parent)
  room = room - #value
  if room < 0 and #page > 0 then
    full_at = depth_of(value)
    return
  end
  page[#page + 1] = value
  siblings[#siblings + 1] = redis.call('HGET', tree, 'c:' .. parent) or ''
end
while #page < limit and full_at == '' and id ~= '-' and id ~= '' do
  local value = redis.call('HGET', messages, id)
  if not value then break end
  local parent, _, on = header(value)
  add(value, parent)
  id, branch, depth = parent, on, depth_of(value)
end
if #page < limit and full_at == '' then
  for _, pinned in ipairs(pinned_above(info[4], messages, tree, branch, depth)) do
    if #page < limit and full_at == '' then add(pinned[2], (header(pinned[2]))) end
  end
end
return {'ok', info[1], info[2], info[4] or '', page, siblings, info[5], full_at}
