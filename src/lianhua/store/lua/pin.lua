-- Pins a message: it is not dropped while its conversation lasts, and prompts always have it. Or lets it go again, back to its place by age.
-- KEYS meta, messages, order, tree   ARGV owner, message_id, pinned (1 or 0), at most so many
local meta, messages, order, tree = unpack(KEYS)
local state = redis.call('HMGET', meta, 'owner', 'pins')
if state[1] ~= ARGV[1] then return {'missing'} end
local value = redis.call('HGET', messages, ARGV[2])
if not value then return {'no_message'} end
local pins, age = {}, nil
for id, at in string.gmatch(state[2] or '', '(%S+):(%d+)') do
  if id == ARGV[2] then age = at else pins[#pins + 1] = id .. ':' .. at end
end
if ARGV[3] == '1' then
  if #pins >= tonumber(ARGV[4]) then return {'full'} end
  pins[#pins + 1] = ARGV[2] .. ':' .. (age or redis.call('ZSCORE', order, ARGV[2]))
  redis.call('ZREM', order, ARGV[2])
elseif age then
  redis.call('ZREM', order, ARGV[2]) -- stands there no more; but what begins with a removal passes on a full server
  redis.call('ZADD', order, age, ARGV[2])
  expire_with(meta, order)
end
redis.call('HSET', meta, 'pins', table.concat(pins, ' '))
return {'ok', value, redis.call('HGET', tree, 'c:' .. (header(value))) or ''}
