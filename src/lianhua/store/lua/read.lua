-- What a viewer has not seen of a turn: a page of its log after a cursor, or the text so far where the log does not
-- reach back. KEYS meta, turns, log, text, reasoning   ARGV owner, turn_id, epoch, seq, page_events,
-- start_epoch (asks for everything from the first event), snapshot_epoch (for a snapshot)
-- `ahead`: the cursor is beyond what the store has of this worker's events; either we never gave it out, or the store
-- has lost something that will be put back.
local meta, turns, log, text, reasoning = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'missing'} end
local record = redis.call('HGET', turns, ARGV[2])
if not record then return {'no_turn'} end
local turn = redis.call('HMGET', meta, 't.id', 't.lease', 't.first', 't.epoch')
local state = 'ended'
if turn[1] == ARGV[2] then
  state = tonumber(turn[2]) < now() and 'lost' or 'running'
  if turn[3] then record = with_time(record, 'f', turn[3]) end
end

local function parts(entry) -- {id, {field, value}} to epoch, seq
  local epoch, seq = string.match(entry[1], '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(seq)
end

local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if not first then return {state, record, 'gone'} end
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local epoch, seq = tonumber(ARGV[3]), tonumber(ARGV[4])
local first_epoch, first_seq = parts(first)
local complete = first_epoch == 1 and first_seq == 0
local start = '-'
local reaches
local ahead = ''
if ARGV[3] == ARGV[6] then
  reaches = complete
elseif ARGV[3] == ARGV[7] then
  reaches = false
else
  -- The cursor is one we gave out, and nothing between it and the log's first entry was dropped.
  local latest = redis.call('XREVRANGE', log, ARGV[3] .. '-18446744073709551615', ARGV[3] .. '-0', 'COUNT', 1)[1]
  local known = seq == 0 and epoch <= parts(last)
  if latest then
    local _, latest_seq = parts(latest)
    known = seq <= latest_seq
    if not known and state == 'running' and ARGV[3] == turn[4] then ahead = '1' end
  end
  local after_first = epoch > first_epoch or (epoch == first_epoch and seq + 1 >= first_seq)
  reaches = known and after_first and epoch >= 1
  start = '(' .. ARGV[3] .. '-' .. ARGV[4]
end
if reaches then
  return {state, record, 'events', redis.call('XRANGE', log, start, '+', 'COUNT', ARGV[5])}
end
return {state, record, 'snapshot', last[1], redis.call('GET', text) or '', redis.call('GET', reasoning) or '',
  last[2][1] == 'e' and last[2][2] or '', ahead}
