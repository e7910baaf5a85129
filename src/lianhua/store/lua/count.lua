-- Adds what one turn has used to its user's day, once: a turn that was counted before is left alone.
-- KEYS counted, day, and where there are budgets the user's spending
-- ARGV turn_id, counted_s, day_s, model, turns, prompt_tokens, completion_tokens, estimated (1 or 0), and where there are
-- budgets tokens, money, days, months (as in reserve.lua)
local at = now()
if redis.call('ZADD', KEYS[1], 'NX', stamp(at), ARGV[1]) == 0 then return {'counted'} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], ARGV[2])
local function add(kind, number)
  -- A model's id may hold spaces, so it comes last.
  if tonumber(number) > 0 then redis.call('HINCRBY', KEYS[2], kind .. ' ' .. ARGV[4], number) end
end
add('turns', ARGV[5])
add('prompt', ARGV[6])
add('completion', ARGV[7])
if ARGV[8] == '1' then
  add('estimated_prompt', ARGV[6])
  add('estimated_completion', ARGV[7])
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
if KEYS[3] then charge(KEYS[3], ARGV[1], {day = ARGV[11], month = ARGV[12]}, at, ARGV[9], ARGV[10]) end
return {'ok'}
