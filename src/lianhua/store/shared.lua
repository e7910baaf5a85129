-- Put in front of every script. All keys of a call belong to one conversation and so to one slot; but `append` takes
-- many conversations where there are no slots.

local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end

local function stamp(seconds)
  return string.format('%.6f', seconds)
end

-- Adds fields at the end of a JSON object, where they win over earlier ones of the same name: so the store's clock gets
-- into a value without the value being decoded.
local function splice(json, fields)
  return string.sub(json, 1, -2) .. ',' .. fields .. '}'
end

-- Tells whoever listens to the conversation to look. Only a hint, so it may fail: an ACL can forbid channels.
local function ring(meta)
  redis.pcall('SPUBLISH', meta, '1')
end

-- What stands in the way of a worker that writes to a turn, nil where nothing does. `turn` is its id, epoch and worker
-- as stored. An epoch below the worker's own says that the store has lost the claim (`behind`); the worker then puts
-- it back.
local function refusal(turn, turn_id, epoch, worker)
  if turn[1] ~= turn_id then return {'ended'} end
  local stored = tonumber(turn[2])
  if stored < tonumber(epoch) then return {'behind'} end
  if stored > tonumber(epoch) or turn[3] ~= worker then return {'fenced'} end
end

-- No turn runs any more.
local function free(meta)
  redis.call('HDEL', meta, 't.id', 't.hash', 't.user', 't.reply', 't.epoch', 't.seq', 't.worker', 't.lease', 't.stop',
    't.started', 't.first', 't.losses', 't.claim', 't.at')
end

-- Moves the expiry of all of a conversation's keys together; without a limit, or pinned, they stay.
local function keep(meta, keys, retention_s, at)
  local expires = ''
  if retention_s > 0 and redis.call('HGET', meta, 'pinned') ~= '1' then
    expires = stamp(at + retention_s)
  end
  redis.call('HSET', meta, 'expires_at', expires)
  for _, key in ipairs(keys) do
    if expires == '' then
      redis.call('PERSIST', key)
    else
      redis.call('PEXPIREAT', key, math.floor((at + retention_s) * 1000))
    end
  end
end

-- A key that came into being just now expires with its conversation.
local function expire_with(meta, key)
  local at = redis.call('PEXPIRETIME', meta)
  if at > 0 then redis.call('PEXPIREAT', key, at) end
end

-- A running turn's working keys expire with its conversation: what a lost turn has shown can still be sealed on the last
-- day, and nothing of it is left on the day after. Where the conversation has no last day, a year stands for it.
local NO_LAST_DAY_S = 31536000
local function expire_working(meta, key)
  local at = redis.call('PEXPIRETIME', meta)
  if at > 0 then
    redis.call('PEXPIREAT', key, at)
  else
    redis.call('EXPIRE', key, NO_LAST_DAY_S)
  end
end

-- A message's value is one line, `parent_id turn_id branch` with `-` for none, and then its JSON, which ends with its
-- depth: how many messages come before it, those included that retention has dropped.
local function header(value)
  return string.match(value, '^(%S+) (%S+) (%S+)\n')
end

local function depth_of(value)
  return tonumber(string.match(string.sub(value, -20), '"n":(%d+)}$'))
end

-- Where a branch begins and ends: the branch and the depth that it forks from (`-` and -1 at the root), and its tip.
local function fork_of(tree, branch)
  local fork = redis.call('HGET', tree, 'b:' .. branch)
  if not fork then return '-', -1, -1 end
  local from, at, tip = string.match(fork, '^(%S+) (%S+) (%S+)$')
  return from, tonumber(at), tonumber(tip)
end

-- Hangs a message below its parent, which stands in `branch` at `depth`: in the same branch where that ends with the
-- parent, else in a new one. The branch it comes to stand in.
local function grow(meta, tree, id, parent, branch, depth)
  local children = redis.call('HGET', tree, 'c:' .. parent)
  local from, at, tip = fork_of(tree, branch)
  if tip ~= depth or branch == '-' then
    from, at = branch, depth
    branch = string.format('%d', redis.call('HINCRBY', meta, 'branches', 1) - 1)
  end
  redis.call('HSET', tree, 'c:' .. parent, children and children .. ' ' .. id or id,
    'b:' .. branch, from .. ' ' .. at .. ' ' .. depth + 1)
  return branch
end

-- For each branch on the way from the root to a message, the depth up to which that way goes along it.
local function way_to(tree, branch, depth)
  local way = {}
  while branch and branch ~= '-' do
    way[branch] = depth
    local from, at = fork_of(tree, branch)
    branch, depth = from, math.min(at, depth)
  end
  return way
end

-- The pinned messages above a depth on the way to a message, the deepest first: {depth, value} each.
local function pinned_above(pins, messages, tree, branch, depth)
  local found = {}
  if not pins or pins == '' then return found end
  local way = way_to(tree, branch, depth)
  for id in string.gmatch(pins, '(%S+):%d+') do
    local value = redis.call('HGET', messages, id)
    local at = value and depth_of(value)
    local _, _, on = header(value or '')
    if at and at < depth and way[on] and at <= way[on] then found[#found + 1] = {at, value} end
  end
  table.sort(found, function(one, other) return one[1] > other[1] end)
  return found
end

-- Says that a text of the conversation is not yet in what the search asks first: bit 0 makes it read the conversation.
local function unsign(meta, grams, id)
  local waiting = redis.call('HGET', meta, 'unsigned')
  if not waiting or waiting == '' then
    waiting = id
  elseif waiting ~= '*' then
    waiting = #waiting < 2000 and waiting .. ' ' .. id or '*'
  end
  redis.call('HSET', meta, 'unsigned', waiting)
  redis.call('SETBIT', grams, 0, 1)
end

-- What `unsigned` calls a title: another one waits for itself.
local function title_token(title)
  return 'title:' .. string.sub(redis.sha1hex(title), 1, 8)
end

-- Removes one message: from its parent's children, and with a reply its turn and its idempotency key.
local function drop(id, messages, turns, idempotency, tree)
  local parent, turn_id = header(redis.call('HGET', messages, id))
  if turn_id ~= '-' then
    local record = redis.call('HGET', turns, turn_id)
    if record then
      redis.call('HDEL', idempotency, cjson.decode(record).key or '')
      redis.call('HDEL', turns, turn_id)
    end
  end
  redis.call('HDEL', messages, id)
  local left = {}
  for child in string.gmatch(redis.call('HGET', tree, 'c:' .. parent) or '', '%S+') do
    if child ~= id then left[#left + 1] = child end
  end
  if #left == 0 then
    redis.call('HDEL', tree, 'c:' .. parent)
  else
    redis.call('HSET', tree, 'c:' .. parent, table.concat(left, ' '))
  end
end

-- Drops the oldest messages beyond the cap. Pinned ones do not stand in `order`.
local function trim(meta, messages, order, turns, idempotency, tree, cap)
  local state = redis.call('HMGET', meta, 'pinned', 'pins')
  local kept = redis.call('ZCARD', order)
  if cap > 0 and state[1] ~= '1' then
    while kept > cap do
      drop(redis.call('ZPOPMIN', order)[1], messages, turns, idempotency, tree)
      kept = kept - 1
    end
  end
  local _, pins = string.gsub(state[2] or '', '%S+', '')
  redis.call('HSET', meta, 'count', kept + pins)
end
