-- Keeps one of a user's own personas, or takes it out. Repeating it changes at most the time of the change.
-- KEYS personas   ARGV id, json (empty: take out), before (the json that it replaces; empty: a new one), limit,
-- timed (1: the json has its times)
local before = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return {'ok'}
end
local at = stamp(now())
local times = '"updated_at":' .. at
if ARGV[3] == '' then
  if before then return {'ok', before} end -- its id is nobody else's, so this is the answer that was lost
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return {'full'} end
  times = '"created_at":' .. at .. ',' .. times
elseif not before then
  return {'missing'}
elseif before ~= ARGV[3] then
  return {'moved'}
end
local json = ARGV[5] == '1' and ARGV[2] or splice(ARGV[2], times)
redis.call('HSET', KEYS[1], ARGV[1], json)
return {'ok', json}
