-- Keeps an invite. Those that have run out are removed first.
-- KEYS invites   ARGV digest, json, seconds until it runs out, most
local at = now()
local all = redis.call('HGETALL', KEYS[1])
local count = 0
for i = 1, #all, 2 do
  if all[i] == ARGV[1] then return {'ok', all[i + 1]} end
  if cjson.decode(all[i + 1]).expires_at <= at then redis.call('HDEL', KEYS[1], all[i]) else count = count + 1 end
end
if count >= tonumber(ARGV[4]) then return {'full'} end
local json = splice(ARGV[2], '"expires_at":' .. stamp(at + tonumber(ARGV[3])) .. ',"taken_by":""')
redis.call('HSET', KEYS[1], ARGV[1], json)
return {'ok', json}
