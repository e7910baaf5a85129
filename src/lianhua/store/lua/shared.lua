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

-- A turn's record with one more time at its end (see `store/records`): `s` when it was started, `f` when its first text
-- came, `e` when it ended. A record of version 0.1 is JSON.
local TIME_FIELD = {s = 'started_at', f = 'first_token_at', e = 'ended_at'}
local function with_time(record, letter, at)
  if string.sub(record, 1, 1) == '{' then return splice(record, '"' .. TIME_FIELD[letter] .. '":' .. at) end
  return record .. letter .. at
end

-- The idempotency key of a turn's record.
local function key_of(record)
  if string.sub(record, 1, 1) == '{' then return cjson.decode(record).key or '' end
  local length, start = string.match(record, '^%d+ (%d+)\n()')
  return string.sub(record, start, start + tonumber(length) - 1)
end

-- As much of the hash of a body as is kept with a key: 128 bits tell two bodies apart.
local function short_hash(body_hash)
  return string.sub(body_hash, 1, 32)
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

-- When something was last used that is used now: a clock that is behind, as after a start without a battery, makes
-- nothing older than it was. `before` is the time that is stored, false for none.
local function used_at(at, before)
  return math.max(at, tonumber(before) or 0)
end

-- All of a conversation's keys expire together, `at`; false: they stay.
local function expire_at(meta, keys, at)
  redis.call('HSET', meta, 'expires_at', at and stamp(at) or '')
  for _, key in ipairs(keys) do
    if at then
      redis.call('PEXPIREAT', key, math.floor(at * 1000))
    else
      redis.call('PERSIST', key)
    end
  end
end

-- Moves the expiry of a conversation that is used; without a limit, or pinned, it stays. Activity never shortens it
-- while the clock is behind the conversation's own last activity.
local function keep(meta, keys, retention_s, at)
  local state = redis.call('HMGET', meta, 'pinned', 'updated_at')
  local expires = retention_s > 0 and state[1] ~= '1'
  expire_at(meta, keys, expires and used_at(at, state[2]) + retention_s)
end

-- The list of a user's conversations expires after the last of them; not at all while one of them is pinned.
local function keep_list(listed, pinned, retention_s)
  if retention_s > 0 and redis.call('SCARD', pinned) == 0 then
    local newest = redis.call('ZREVRANGE', listed, 0, 0, 'WITHSCORES')
    redis.call('PEXPIREAT', listed, math.ceil((used_at(now(), newest[2]) + retention_s) * 1000))
  else
    redis.call('PERSIST', listed)
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

-- For each branch on the way from the root to a message, the depth up to which that way goes along it. Beyond so many
-- forks, which is 5 ms, it is not looked at.
local MOST_FORKS = 5000
local function way_to(tree, branch, depth)
  local way, forks = {}, 0
  while branch and branch ~= '-' and forks < MOST_FORKS do
    way[branch] = depth
    local from, at = fork_of(tree, branch)
    branch, depth, forks = from, math.min(at, depth), forks + 1
  end
  return way
end

-- The pinned messages above a depth on the way to a message, the deepest first: {depth, value, id} each.
local function pinned_above(pins, messages, tree, branch, depth)
  local found = {}
  if not pins or pins == '' then return found end
  local way = way_to(tree, branch, depth)
  for id in string.gmatch(pins, '(%S+):%d+') do
    local value = redis.call('HGET', messages, id)
    local at = value and depth_of(value)
    local _, _, on = header(value or '')
    if at and at < depth and way[on] and at <= way[on] then found[#found + 1] = {at, value, id} end
  end
  table.sort(found, function(one, other) return one[1] > other[1] end)
  return found
end

-- Says that a text of the conversation is not yet in what the search asks first: bit 0 makes it read the conversation.
local function mark_unindexed(meta, ngrams, id)
  local waiting = redis.call('HGET', meta, 'unsigned')
  if not waiting or waiting == '' then
    waiting = id
  elseif waiting ~= '*' then
    waiting = #waiting < 2000 and waiting .. ' ' .. id or '*'
  end
  redis.call('HSET', meta, 'unsigned', waiting)
  redis.call('SETBIT', ngrams, 0, 1)
end

-- What `unsigned` calls a title: another one waits for itself.
local function title_token(title)
  return 'title:' .. string.sub(redis.sha1hex(title), 1, 8)
end

-- What is kept of an idempotency key whose message was erased: its hash, and one of it with the body's, from which the
-- text cannot be guessed as long as the key is a good one.
local function hashed_key(key, body_hash)
  return redis.sha1hex(key), redis.sha1hex(key .. ' ' .. short_hash(body_hash))
end

-- The same of the first so many keys of a hash, as `HGETALL` gives it.
local function hashed_keys(used, most)
  local hashes = {}
  for i = 1, math.min(#used, 2 * most), 2 do
    hashes[#hashes + 1] = {hashed_key(used[i], string.match(used[i + 1], '^%S+'))}
  end
  return hashes
end

-- Removes one message: from its parent's children, and with a reply its turn and its idempotency key.
local function drop(id, messages, turns, idempotency, tree)
  local parent, turn_id = header(redis.call('HGET', messages, id))
  if turn_id ~= '-' then
    local record = redis.call('HGET', turns, turn_id)
    if record then
      redis.call('HDEL', idempotency, key_of(record))
      redis.call('HDEL', turns, turn_id)
    end
  end
  redis.call('HDEL', messages, id)
  local children = redis.call('HGET', tree, 'c:' .. parent) or ''
  local first, last = string.find(' ' .. children .. ' ', ' ' .. id .. ' ', 1, true)
  if not first then return end
  -- Nearly always the first one: the oldest is dropped first. Nothing is taken apart, for there may be thousands.
  local left = string.sub(children, 1, math.max(first - 2, 0)) .. string.sub(children, first == 1 and last or last - 1)
  if left == '' then
    redis.call('HDEL', tree, 'c:' .. parent)
  else
    redis.call('HSET', tree, 'c:' .. parent, left)
  end
end

-- Forgets branches without a message. Those that fork from one fork then from where it did itself.
local function prune(messages, order, tree, pins)
  local holds, forks = {}, {}
  local function hold(id)
    local _, _, branch = header(redis.call('HGET', messages, id))
    holds[branch] = true
  end
  for _, id in ipairs(redis.call('ZRANGE', order, 0, -1)) do hold(id) end
  for id in string.gmatch(pins, '(%S+):%d+') do hold(id) end
  local all = redis.call('HGETALL', tree)
  for i = 1, #all, 2 do
    local branch = string.match(all[i], '^b:(.+)$')
    if branch then
      local from, at, tip = string.match(all[i + 1], '^(%S+) (%S+) (%S+)$')
      forks[branch] = {from, tonumber(at), tip}
    end
  end
  for branch, fork in pairs(forks) do
    if holds[branch] then
      local from, at = fork[1], fork[2]
      while from ~= '-' and not holds[from] do
        local above = forks[from] or {'-', -1}
        from, at = above[1], math.min(at, above[2])
      end
      if from ~= fork[1] then redis.call('HSET', tree, 'b:' .. branch, from .. ' ' .. at .. ' ' .. fork[3]) end
    else
      redis.call('HDEL', tree, 'b:' .. branch)
    end
  end
end

-- Drops the oldest messages beyond the cap, some at a time: a conversation that was pinned may have very many. Those
-- that are pinned do not stand in `order`. Where the head is dropped, the view turns to the newest message.
local DROPPED_AT_ONCE = 100
local function trim(meta, messages, order, turns, idempotency, tree, cap)
  local state = redis.call('HMGET', meta, 'pinned', 'pins', 'head')
  local pins, kept = state[2] or '', redis.call('ZCARD', order)
  local _, pinned = string.gsub(pins, '%S+', '')
  if cap > 0 and state[1] ~= '1' then
    local headless = false
    for _ = 1, math.min(kept - cap, DROPPED_AT_ONCE) do
      local id = redis.call('ZPOPMIN', order)[1]
      drop(id, messages, turns, idempotency, tree)
      headless = headless or id == state[3]
      kept = kept - 1
    end
    if headless then
      local id = redis.call('ZREVRANGE', order, 0, 0)[1]
      local value = redis.call('HGET', messages, id)
      local _, _, branch = header(value)
      redis.call('HSET', meta, 'head', id, 'depth', depth_of(value), 'branch', branch)
    end
    if redis.call('HLEN', tree) > 4 * (cap + pinned) + 64 and kept <= cap then prune(messages, order, tree, pins) end
  end
  redis.call('HSET', meta, 'count', kept + pinned)
end
