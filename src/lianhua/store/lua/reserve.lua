-- Reserves the most that a turn may use, or says why not; repeated, it replaces what the same turn had reserved.
-- KEYS budget   ARGV turn_id, reserved_s, tokens, money, days, months (when some of them begin, around now),
-- most_running (0: any number), then the limits: unit, period, amount each
local budget, turn_id = KEYS[1], ARGV[1]
local needed = {tokens = tonumber(ARGV[3]), money = tonumber(ARGV[4])}
local at = now()
local current = current_periods(budget, {day = ARGV[5], month = ARGV[6]}, at)
if not current then return {'clock', stamp(at)} end
local running, held = reserved(budget, current, at, turn_id)
if tonumber(ARGV[7]) > 0 and running >= tonumber(ARGV[7]) then return {'running', running} end

local refusal_of_latest, latest
for i = 8, #ARGV, 3 do
  local unit, period = ARGV[i], ARGV[i + 1]
  local name = period .. ':' .. unit
  local left = tonumber(ARGV[i + 2]) - spent_of(budget, name) - held[name]
  local begins = tonumber(current[period][2])
  -- What costs nothing is not refused for money.
  if needed[unit] > 0 and needed[unit] > left and (not latest or begins > latest) then
    latest = begins
    refusal_of_latest = {'exhausted', (i - 8) / 3, string.format('%.0f', left), current[period][2], stamp(at)}
  end
end
if refusal_of_latest then return refusal_of_latest end
redis.call('HSET', budget, 'r:' .. turn_id, table.concat(
  {stamp(at + tonumber(ARGV[2])), current.day[1], current.month[1], ARGV[3], ARGV[4]}, ' '))
return {'ok'}
