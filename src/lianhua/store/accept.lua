-- Takes a user's message and opens its turn, or says why not. At most one turn runs in a conversation.
-- KEYS meta, messages, order, turns, idempotency, lingering, log
-- ARGV owner, turn_id, key, body_hash, expected_head, user_message_id, user_message, reply_message_id, worker, lease_s,
--      first_event, record, title, retention_s, retention_messages, working_ttl_s
local meta, messages, order, turns, idempotency, lingering, log = unpack(KEYS)
local turn_id, key, body_hash = ARGV[2], ARGV[3], ARGV[4]
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end

local prior = redis.call('HGET', idempotency, key)
if prior then
  local hash, turn, user, reply = string.match(prior, '^(%S+) (%S+) (%S+) (%S+)$')
  if hash ~= body_hash then return {'mismatch'} end
  -- Whether its first worker may still begin it: nobody else has, and nobody may yet.
  local state = redis.call('HMGET', meta, 't.id', 't.epoch', 't.lease')
  local begins = state[1] == turn and state[2] == '1' and tonumber(state[3]) > now()
  return {'same', turn, user, reply, begins and '1' or '0'}
end

local at = now()
local running = redis.call('HMGET', meta, 't.id', 't.hash', 't.user', 't.reply', 't.lease')
if running[1] then
  local expired = tonumber(running[5]) < at and '1' or '0'
  return {'busy', running[1], running[3], running[4], running[2] == body_hash and '1' or '0', expired}
end
local head = redis.call('HMGET', meta, 'head', 'depth')
if head[1] ~= ARGV[5] then return {'moved'} end

local parent = head[1] == '' and '-' or head[1]
local depth = tonumber(head[2]) + 1
local user = splice(ARGV[7], '"timestamp":' .. stamp(at) .. ',"n":' .. depth)
redis.call('HSET', messages, ARGV[6], parent .. ' -\n' .. user)
redis.call('ZADD', order, redis.call('HINCRBY', meta, 'last', 1), ARGV[6])
redis.call('HSET', turns, turn_id, splice(ARGV[12], '"started_at":' .. stamp(at)))
redis.call('HSET', idempotency, key, body_hash .. ' ' .. turn_id .. ' ' .. ARGV[6] .. ' ' .. ARGV[8])
redis.call('HSET', meta, 'head', ARGV[6], 'depth', depth, 'updated_at', stamp(at),
  't.id', turn_id, 't.hash', body_hash, 't.user', ARGV[6], 't.reply', ARGV[8], 't.epoch', '1', 't.seq', '0',
  't.worker', ARGV[9], 't.lease', stamp(at + tonumber(ARGV[10])), 't.stop', '0', 't.losses', '0',
  't.started', stamp(at))
if redis.call('HGET', meta, 'title') == '' then redis.call('HSET', meta, 'title', ARGV[13]) end

redis.call('XADD', log, '1-0', 't', ARGV[11])
local ttl_s = working_ttl(meta, ARGV[16])
redis.call('EXPIRE', log, ttl_s)
redis.call('ZREMRANGEBYSCORE', lingering, '-inf', at)
redis.call('ZADD', lingering, at + ttl_s, turn_id)
trim(meta, messages, order, turns, idempotency, tonumber(ARGV[15]))
keep(meta, {meta, messages, order, turns, idempotency, lingering}, tonumber(ARGV[14]), at)
return {'accepted', turn_id, ARGV[6], ARGV[8]}
