-- What one user has spent and what running turns have reserved, in one hash: `day` and `month` are when the current ones
-- began, `day:tokens`, `day:money`, `month:tokens`, `month:money` what was spent in them, and `r:TURN` is a reservation:
-- `expires day month tokens money`. It counts for the day and the month in which it was made.

local PERIODS, UNITS = {'day', 'month'}, {'tokens', 'money'}
local KEPT_S = 3456000 -- 40 days: longer than any month

-- Of `starts`, some that follow each other, the last one not after `at`, and the one after it; nil beyond either end.
local function around(starts, at)
  local start
  for each in string.gmatch(starts, '%-?%d+') do
    if tonumber(each) > at then return start, each end
    start = each
  end
end

-- The current day and month, `{start, next}` each; what was spent in earlier ones is forgotten. A period that began does
-- not begin again when the clock falls behind. Nil where the calendar does not reach to the store's time.
local function current_periods(budget, calendar, at)
  local current = {}
  for _, period in ipairs(PERIODS) do
    local start, next_start = around(calendar[period], at)
    if not start then return end
    local known = redis.call('HGET', budget, period)
    if known and tonumber(known) >= tonumber(start) then
      start = known
    else
      redis.call('HSET', budget, period, start, period .. ':tokens', 0, period .. ':money', 0)
    end
    current[period] = {start, next_start}
  end
  redis.call('EXPIRE', budget, KEPT_S)
  return current
end

-- How many other turns hold a reservation, and what they hold of the current periods, as `held['day:tokens']`. Those
-- whose time has run out give theirs back.
local function reserved(budget, current, at, turn_id)
  local running, held = 0, {['day:tokens'] = 0, ['day:money'] = 0, ['month:tokens'] = 0, ['month:money'] = 0}
  local all = redis.call('HGETALL', budget)
  for i = 1, #all, 2 do
    local id = string.match(all[i], '^r:(.+)$')
    if id and id ~= turn_id then
      local expires, day, month, tokens, money = string.match(all[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
      if tonumber(expires) <= at then
        redis.call('HDEL', budget, all[i])
      else
        running = running + 1
        local starts, amounts = {day = day, month = month}, {tokens = tokens, money = money}
        for _, period in ipairs(PERIODS) do
          for _, unit in ipairs(UNITS) do
            local name = period .. ':' .. unit
            if starts[period] == current[period][1] then held[name] = held[name] + tonumber(amounts[unit]) end
          end
        end
      end
    end
  end
  return running, held
end

local function spent_of(budget, name)
  return tonumber(redis.call('HGET', budget, name) or 0)
end

-- Puts what a turn has used in the place of what was reserved for it.
local function charge(budget, turn_id, calendar, at, tokens, money)
  local amounts = {tokens = tokens, money = money}
  local current = current_periods(budget, calendar, at)
  local reservation = redis.call('HGET', budget, 'r:' .. turn_id)
  redis.call('HDEL', budget, 'r:' .. turn_id)
  local starts = {}
  if reservation then
    local _, day, month = string.match(reservation, '^(%S+) (%S+) (%S+)')
    starts = {day = day, month = month}
  end
  for _, period in ipairs(PERIODS) do
    local start = current and current[period][1] or redis.call('HGET', budget, period)
    if start and (not starts[period] or starts[period] == start) then
      for _, unit in ipairs(UNITS) do redis.call('HINCRBY', budget, period .. ':' .. unit, amounts[unit]) end
    end
  end
end
