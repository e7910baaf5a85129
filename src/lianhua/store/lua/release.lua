-- Ends the lease of a running turn now, so that it can be claimed at once.
-- KEYS meta   ARGV turn_id, epoch (empty: whichever), worker (empty: whichever), lease
-- A lease of 0 is given up in order; with 1 the turn's worker is known to be gone.
local turn = redis.call('HMGET', KEYS[1], 't.id', 't.epoch', 't.worker', 't.lease')
if turn[1] ~= ARGV[1] then return {'ended'} end
if ARGV[2] ~= '' and turn[2] ~= ARGV[2] or ARGV[3] ~= '' and turn[3] ~= ARGV[3] then return {'fenced'} end
if turn[4] ~= '0' then redis.call('HSET', KEYS[1], 't.lease', ARGV[4]) end
ring(KEYS[1])
return {'ok'}
