-- Takes one token out of a bucket that fills evenly, if there is one. Should the answer be lost and the call repeated,
-- two are gone: a limit that is too strict by one.
-- KEYS bucket   ARGV count (as many as it holds), window_s (in which it fills)
local at, count, window_s = now(), tonumber(ARGV[1]), tonumber(ARGV[2])
local left, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%S+)$')
left = left and math.min(count, tonumber(left) + math.max(0, at - tonumber(since)) * count / window_s) or count
local taken = left >= 1
if taken then left = left - 1 end
local full_s = (count - left) * window_s / count
redis.call('SET', KEYS[1], string.format('%.9f ', left) .. stamp(at), 'PX', math.ceil(full_s * 1000) + 1)
return {taken and 1 or 0, math.floor(left), stamp(math.max(0, 1 - left) * window_s / count), stamp(full_s)}
