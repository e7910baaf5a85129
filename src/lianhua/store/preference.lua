-- Sets some of a user's preferences; an empty value takes one out.
-- KEYS settings   ARGV name, value, …
for place = 1, #ARGV, 2 do
  if ARGV[place + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[place])
  else
    redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1])
  end
end
return {'ok'}
