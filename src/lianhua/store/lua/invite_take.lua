-- Gives an invite to the first who takes it; the same name may take it again, for its answer may have been lost.
-- KEYS invites   ARGV digest, name (empty: only look), 1 to give it back
local json = redis.call('HGET', KEYS[1], ARGV[1])
if not json then return {'missing'} end
local taken = string.match(json, '"taken_by":"([^"]*)"}$')
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], (string.gsub(json, '"taken_by":"[^"]*"}$', '"taken_by":""}')))
  return {'ok', json}
end
if cjson.decode(json).expires_at <= now() then return {'missing'} end
if taken ~= '' and taken ~= ARGV[2] then return {'missing'} end
if ARGV[2] ~= '' then
  json = string.sub(json, 1, -2 - #('"taken_by":"' .. taken .. '"')) .. '"taken_by":"' .. ARGV[2] .. '"}'
  redis.call('HSET', KEYS[1], ARGV[1], json)
end
return {'ok', json}
