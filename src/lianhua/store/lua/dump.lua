-- What keys hold, at one moment: {name, type, when it expires in ms or -1, content} of each that exists.
-- KEYS: keys of one slot. ARGV: the base of a conversation's keys, or '' for keys of something else.
local names = {}
for place, name in ipairs(KEYS) do names[place] = name end
if ARGV[1] ~= '' then
    for _, turn in ipairs(redis.call('ZRANGE', ARGV[1] .. ':lingering', 0, -1)) do
        for _, part in ipairs({':log:', ':text:', ':reasoning:'}) do
            names[#names + 1] = ARGV[1] .. part .. turn
        end
    end
end
local content = {
    string = function(name) return {redis.call('GET', name)} end,
    hash = function(name) return redis.call('HGETALL', name) end,
    list = function(name) return redis.call('LRANGE', name, 0, -1) end,
    set = function(name) return redis.call('SMEMBERS', name) end,
    zset = function(name) return redis.call('ZRANGE', name, 0, -1, 'WITHSCORES') end,
    stream = function(name) return redis.call('XRANGE', name, '-', '+') end,
}
local found = {}
for _, name in ipairs(names) do
    local kind = redis.call('TYPE', name).ok
    if content[kind] then
        found[#found + 1] = {name, kind, redis.call('PEXPIRETIME', name), content[kind](name)}
    end
end
return found
