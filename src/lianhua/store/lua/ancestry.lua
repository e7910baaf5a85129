-- The ids of a message and of those above it, each one's parent next, as far as they are kept.
-- KEYS messages   ARGV id, limit
local ids, id = {}, ARGV[1]
while #ids < tonumber(ARGV[2]) and id ~= '-' do
  local value = redis.call('HGET', KEYS[1], id)
  if not value then break end
  ids[#ids + 1] = id
  id = header(value)
end
return ids
