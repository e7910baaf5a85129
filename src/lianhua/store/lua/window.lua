-- What a prompt is made from: the newest messages of a branch, newest first, and the pinned ones above them.
-- With them come the record of the turn that made the newest reply, and fields of the conversation.
-- KEYS meta, messages, tree, turns
-- ARGV owner, from (`head`, `at` a message, `before` a message), its id, limit, limit_bytes (of the newest messages, and
-- again of the pinned ones; the newest comes whatever it has), field, …
local meta, messages, tree, turns = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local info = redis.call('HMGET', meta, 'head', 'depth', 'branch', 'pins')
local id, branch, depth = info[1], info[3], tonumber(info[2])
if ARGV[2] ~= 'head' then
  local value = redis.call('HGET', messages, ARGV[3])
  if not value then return {'no_message'} end
  local parent, _, on = header(value)
  id, branch, depth = ARGV[3], on, depth_of(value)
  if ARGV[2] == 'before' then id, depth = parent, depth - 1 end
end
local newest, top, page, room, made_by = depth, depth + 1, {}, tonumber(ARGV[5]), '-'
while #page < tonumber(ARGV[4]) and id ~= '-' and id ~= '' do
  local value = redis.call('HGET', messages, id)
  if not value then break end
  room = room - #value
  if room < 0 and #page > 0 then break end
  page[#page + 1] = value
  local parent, turn, on = header(value)
  if made_by == '-' then made_by = turn end
  id, branch, top = parent, on, depth_of(value)
end
local pinned = {}
room = tonumber(ARGV[5])
for _, found in ipairs(pinned_above(info[4], messages, tree, branch, top)) do
  room = room - #found[2]
  if room < 0 then break end
  pinned[#pinned + 1] = found[2]
end
local record = made_by ~= '-' and redis.call('HGET', turns, made_by) or ''
return {'ok', info[1], newest, info[4] or '', page, pinned, record, redis.call('HMGET', meta, unpack(ARGV, 6))}
