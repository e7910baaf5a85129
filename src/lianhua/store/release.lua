-- Ends the lease of a running turn now, so that it can be claimed at once.
-- KEYS meta   ARGV turn_id, epoch (empty: whichever), lease (0: given up in order; 1: its worker is known to be gone)
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.epoch', 't.lease')
if turn[1] ~= ARGV[1] then return {'ended'} end
if ARGV[2] ~= '' and turn[2] ~= ARGV[2] then return {'fenced'} end
if turn[3] ~= '0' then redis.call('HSET', KEYS[1], 't.lease', ARGV[3]) end
ring(KEYS[1])
return {'ok'}
