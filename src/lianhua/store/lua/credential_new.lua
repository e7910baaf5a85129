-- Adds a login session or a token to an active account. Those that have run out are removed; where there are too many,
-- the one unseen for longest gives way, or nothing is added (`full`).
-- KEYS account
-- ARGV prefix, digest, json, seconds until it ends (0: never), idle seconds (0: no such limit), most, gives way (1 or 0)
local prefix, at = ARGV[1], math.floor(now())
if redis.call('HGET', KEYS[1], 'state') ~= 'active' then return {'missing'} end
local added = redis.call('HGET', KEYS[1], prefix .. ARGV[2])
if added then return {'ok', added} end
local fields, idle_s = redis.call('HGETALL', KEYS[1]), tonumber(ARGV[5])
local count, oldest, oldest_at = 0, nil, nil
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == prefix then
    local one = cjson.decode(fields[i + 1])
    if (one.expires_at > 0 and one.expires_at <= at) or (idle_s > 0 and one.seen_at + idle_s <= at) then
      redis.call('HDEL', KEYS[1], fields[i])
    else
      count = count + 1
      if not oldest_at or one.seen_at < oldest_at then oldest, oldest_at = fields[i], one.seen_at end
    end
  end
end
if count >= tonumber(ARGV[6]) then
  if ARGV[7] ~= '1' then return {'full'} end
  redis.call('HDEL', KEYS[1], oldest)
end
local seconds = tonumber(ARGV[4])
local times = string.format('"created_at":%d,"seen_at":%d,"expires_at":%d', at, at, seconds > 0 and at + seconds or 0)
local json = splice(ARGV[3], times)
redis.call('HSET', KEYS[1], prefix .. ARGV[2], json)
return {'ok', json}
