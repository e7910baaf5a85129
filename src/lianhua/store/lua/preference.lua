-- Sets some of a user's preferences; an empty value takes one out.
-- KEYS settings   ARGV name, value, …
-- What is taken out goes first: a full server refuses the rest, unless something was removed before it.
for place = 1, #ARGV, 2 do
  if ARGV[place + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[place]) end
end
for place = 1, #ARGV, 2 do
  if ARGV[place + 1] ~= '' then redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1]) end
end
return {'ok'}
