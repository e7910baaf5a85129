-- About how many bytes one reading of so many messages brings from each conversation: -1 where the server does not tell.
-- The messages of a hash lie in no order, so that the first 16 that it meets stand for the others.
-- KEYS messages, ...   ARGV how many messages a reading brings
local sizes = {}
for place, messages in ipairs(KEYS) do
  local whole = redis.pcall('MEMORY', 'USAGE', messages, 'SAMPLES', 16)
  if whole == false then
    sizes[place] = 0
  elseif type(whole) == 'number' then
    sizes[place] = math.floor(whole * math.min(1, ARGV[1] / redis.call('HLEN', messages)))
  else
    sizes[place] = -1
  end
end
return sizes
