-- Whether a session or a token is good: role, group and scopes of its holder. Now and then notes that it was used.
-- KEYS account   ARGV field, idle seconds (0: no such limit), seconds between two notes
local found = redis.call('HMGET', KEYS[1], ARGV[1], 'state', 'role', 'group')
if not found[1] or found[2] ~= 'active' then return {'missing'} end
local one, at = cjson.decode(found[1]), math.floor(now())
local idle_s = tonumber(ARGV[2])
if one.expires_at > 0 and one.expires_at <= at then return {'missing'} end
if idle_s > 0 and one.seen_at + idle_s <= at then return {'missing'} end
local scopes = one.scopes and cjson.encode(one.scopes) or ''
if not one.used or at - one.seen_at >= tonumber(ARGV[3]) then
  one.seen_at, one.used = math.max(at, one.seen_at), 1
  redis.pcall('HSET', KEYS[1], ARGV[1], cjson.encode(one)) -- a full store still lets people in
end
return {'ok', found[3], found[4], scopes}
