-- Takes a user's message and opens its turn, or says why not. At most one turn runs in a conversation.
-- KEYS meta, messages, order, turns, idempotency, lingering, tree, ngrams, erased, log
-- ARGV owner, turn_id, key, body_hash, expected_head (`*`: whichever), parent (empty: the root), beside (a child of the
--      parent, should that be gone; or empty), user_message_id, user_message (empty: that message is there already and
--      is answered again), reply_message_id, worker, lease_s, first_event, record, title, retention_s,
--      retention_messages, join_s (how long after the turn's end the same body joins it, as long as nobody was given that
--      end and nothing came after it; empty: never), known_only (`1`: opens no new turn, only finds one)
local meta, messages, order, turns, idempotency, lingering, tree, ngrams, erased, log = unpack(KEYS)
local turn_id, key, body_hash, question = ARGV[2], ARGV[3], ARGV[4], ARGV[8]
local known = redis.call('HMGET', meta, 'owner', 'erased')
if known[1] ~= ARGV[1] then return {'missing'} end

local prior = redis.call('HGET', idempotency, key)
if prior then
  local hash, turn = string.match(prior, '^(%S+) (%S+)')  -- version 0.1 has longer hashes, and more words
  if short_hash(hash) ~= short_hash(body_hash) then return {'mismatch'} end
  -- Whether its first worker may still begin it: nobody else has, and nobody may yet.
  local state = redis.call('HMGET', meta, 't.id', 't.epoch', 't.lease', 'updated_at')
  local begins = state[1] == turn and state[2] == '1' and tonumber(state[3]) > now()
  local record = redis.call('HGET', turns, turn)
  return record and {'repeated', turn, record, begins and '1' or '0', state[4]} or {'erased'}
end

if known[2] then
  local name, whole = hashed_key(key, body_hash)
  local gone = redis.call('HGET', erased, name)
  if gone then return {gone == whole and 'erased' or 'mismatch'} end
end

local at = now()
local running = redis.call('HMGET', meta, 't.id', 't.hash', 't.user', 't.reply', 't.lease')
if running[1] then
  local expired = tonumber(running[5]) < at and '1' or '0'
  return {'busy', running[1], running[3], running[4], running[2] == body_hash and '1' or '0', expired}
end
local head = redis.call('HMGET', meta, 'head', 'depth', 'branch', 'title', 'updated_at', 'join')
if head[6] and ARGV[18] ~= '' and at < tonumber(head[5]) + tonumber(ARGV[18]) then
  local turn, hash, user, reply = string.match(head[6], '^(%S+) (%S+) (%S+) (%S+)$')
  if hash == body_hash and reply == head[1] then return {'same', turn, user, reply, '0'} end
end
if ARGV[19] == '1' then return {'unknown'} end
if ARGV[5] ~= '*' and head[1] ~= ARGV[5] then return {'moved'} end

-- The branch and the depth of the message that this one is to hang below.
local function place_of_parent()
  if ARGV[6] == '' then return '-', -1 end
  if ARGV[6] == head[1] then return head[3], tonumber(head[2]) end
  local value = redis.call('HGET', messages, ARGV[6])
  if value then
    local _, _, branch = header(value)
    return branch, depth_of(value)
  end
  value = ARGV[7] ~= '' and redis.call('HGET', messages, ARGV[7])
  if not value then return end
  local _, _, branch = header(value)
  local from, fork = fork_of(tree, branch)
  local depth = depth_of(value) - 1
  return fork == depth and from or branch, depth
end

local branch, depth
if ARGV[9] ~= '' then
  branch, depth = place_of_parent()
  if not branch then return {'no_message'} end
  local parent = ARGV[6] == '' and '-' or ARGV[6]
  branch, depth = grow(meta, tree, question, parent, branch, depth), depth + 1
  redis.call('HSET', messages, question, parent .. ' - ' .. branch .. '\n'
    .. splice(ARGV[9], '"timestamp":' .. stamp(at) .. ',"n":' .. depth))
  redis.call('ZADD', order, redis.call('HINCRBY', meta, 'last', 1), question)
  if head[4] == '' then
    redis.call('HSET', meta, 'title', ARGV[15])
    mark_unindexed(meta, ngrams, title_token(ARGV[15]))
  end
  mark_unindexed(meta, ngrams, question)
else
  local value = redis.call('HGET', messages, question)
  if not value then return {'no_message'} end
  local _, _, on = header(value)
  branch, depth = on, depth_of(value)
  -- As young as its new reply, or retention would drop it from above that.
  redis.call('ZADD', order, 'XX', redis.call('HINCRBY', meta, 'last', 1), question)
end

redis.call('HSET', turns, turn_id, with_time(ARGV[14], 's', stamp(at)))
redis.call('HSET', idempotency, key, short_hash(body_hash) .. ' ' .. turn_id)
redis.call('HSET', meta, 'head', question, 'depth', depth, 'branch', branch, 'updated_at', stamp(used_at(at, head[5])),
  't.id', turn_id, 't.hash', body_hash, 't.user', question, 't.reply', ARGV[10], 't.epoch', '1', 't.seq', '0',
  't.worker', ARGV[11], 't.lease', stamp(at + tonumber(ARGV[12])), 't.stop', '0', 't.losses', '0',
  't.started', stamp(at), 't.at', branch .. ' ' .. depth)

if ARGV[18] ~= '' then
  redis.call('HSET', meta, 'join', turn_id .. ' ' .. body_hash .. ' ' .. question .. ' ' .. ARGV[10])
elseif head[6] then
  redis.call('HDEL', meta, 'join')
end

redis.call('XADD', log, '1-0', 't', ARGV[13])
redis.call('ZREMRANGEBYSCORE', lingering, '-inf', at)
redis.call('ZADD', lingering, at + NO_LAST_DAY_S, turn_id)
trim(meta, messages, order, turns, idempotency, tree, tonumber(ARGV[17]))
keep(meta, {meta, messages, order, turns, idempotency, lingering, tree, ngrams}, tonumber(ARGV[16]), at)
expire_working(meta, log)
return {'accepted', turn_id, question, ARGV[10], stamp(used_at(at, head[5]))}
