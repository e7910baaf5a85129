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
    't.started', 't.first', 't.losses', 't.claim')
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

-- How long a running turn's working keys are kept: as long as its conversation, so that what a lost turn has shown can
-- still be sealed on the last day. A pinned conversation has no last day; a year stands for it.
local function working_ttl(meta, ttl_s)
  if redis.call('HGET', meta, 'pinned') == '1' then return math.max(tonumber(ttl_s), 31536000) end
  return tonumber(ttl_s)
end

-- A message's value is one line, `parent_id turn_id` with `-` for none, and then its JSON.
local function header(value)
  local parent, turn_id = string.match(value, '^(%S+) (%S+)\n')
  return parent, turn_id
end

-- Drops the oldest messages beyond the cap, each reply with its turn and its idempotency key.
local function trim(meta, messages, order, turns, idempotency, cap)
  if cap > 0 and redis.call('HGET', meta, 'pinned') ~= '1' then
    local excess = redis.call('ZCARD', order) - cap
    while excess > 0 do
      local id = redis.call('ZPOPMIN', order)[1]
      local _, turn_id = header(redis.call('HGET', messages, id))
      if turn_id ~= '-' then
        local record = redis.call('HGET', turns, turn_id)
        if record then
          redis.call('HDEL', idempotency, cjson.decode(record).key or '')
          redis.call('HDEL', turns, turn_id)
        end
      end
      redis.call('HDEL', messages, id)
      excess = excess - 1
    end
  end
  redis.call('HSET', meta, 'count', redis.call('ZCARD', order))
end
