-- Replaces the record of a running turn: its prompt was made again with a smaller window.
-- KEYS meta, turns   ARGV turn_id, epoch, record
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.epoch', 't.stop', 't.started')
if turn[1] ~= ARGV[1] then return {'ended'} end
if turn[2] ~= ARGV[2] then return {'fenced'} end
redis.call('HSET', KEYS[2], ARGV[1], splice(ARGV[3], '"started_at":' .. turn[4]))
return {'ok', turn[3]}
