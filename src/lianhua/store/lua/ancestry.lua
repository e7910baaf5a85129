-- The ids of a message and of those above it, each one's parent next, empty for one that is not kept. Above a gap only
-- pinned messages are left. KEYS meta, messages, tree   ARGV id, limit
local meta, messages, tree = unpack(KEYS)
local ids, id, limit = {}, ARGV[1], tonumber(ARGV[2])
local branch, depth, deepest
while #ids < limit and id ~= '-' do
  local value = redis.call('HGET', messages, id)
  if not value then break end
  ids[#ids + 1] = id
  local parent, _, on = header(value)
  id, branch, depth = parent, on, depth_of(value)
  deepest = deepest or depth
end
if deepest and id ~= '-' then
  for _, pinned in ipairs(pinned_above(redis.call('HGET', meta, 'pins'), messages, tree, branch, depth)) do
    local place = deepest - pinned[1] + 1
    if place > limit then break end
    while #ids < place - 1 do ids[#ids + 1] = '' end
    ids[place] = pinned[3]
  end
end
return ids
