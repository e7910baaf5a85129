-- What a user has used on some days: for each key its fields and values.
-- KEYS day, …
local days = {}
for place, key in ipairs(KEYS) do days[place] = redis.call('HGETALL', key) end
return days
