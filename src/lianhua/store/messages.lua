-- A page of a branch: the messages from one (or from the newest) back through their parents, newest first.
-- KEYS meta, messages   ARGV owner, before (a message id, or empty), limit
local meta, messages = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local info = redis.call('HMGET', meta, 'head', 'depth', 'count', 'title')
local id = info[1]
if ARGV[2] ~= '' then
  local value = redis.call('HGET', messages, ARGV[2])
  if not value then return {'no_message'} end
  id = header(value)
end
local page = {}
while #page < tonumber(ARGV[3]) and id ~= '-' and id ~= '' do
  local value = redis.call('HGET', messages, id)
  if not value then break end
  page[#page + 1] = value
  id = header(value)
end
return {'ok', info[1], info[2], info[3], page}
