-- Of the current day and month each: when the next one begins, tokens and money spent, tokens and money reserved.
-- KEYS budget   ARGV days, months
local at = now()
local current = current_periods(KEYS[1], {day = ARGV[1], month = ARGV[2]}, at)
if not current then return {'clock', stamp(at)} end
local _, held = reserved(KEYS[1], current, at, '')
local answer = {'ok'}
for _, period in ipairs(PERIODS) do
  answer[#answer + 1] = current[period][2]
  for _, unit in ipairs(UNITS) do
    answer[#answer + 1] = string.format('%.0f', spent_of(KEYS[1], period .. ':' .. unit))
    answer[#answer + 1] = string.format('%.0f', held[period .. ':' .. unit])
  end
end
return answer
