-- step flags=no-writes needs=rights,common,(hold_rules),holds
--[[
survey.lua - what the fleet looks like, for metrics: lengths, ages, counters, holds, pace, memory; one atomic read.

The age of the queue is that of its head, if its producer said `enqueuedAtMs`. It is looked for by a pattern: a gauge
needs no judgement of a job (claim.lua has that), and within a text the quotes around the name are escaped. What
stands in :delayed is overdue when its due time has passed and nobody has taken it.

KEYS  1 queue  2 delayed  3 leases  4 inflight  5 dead  6 stats  7 holds  8 limiter   ARGV  1 prefix  2 keyFp
Returns  {nowMs, queue, delayed, leases, inflight, letters, ms since the head was enqueued or -1, ms overdue,
            bytes that Redis uses, bytes that it may use (0: no limit), {causes that bind this key},
            perSec, pace, {counter, value, ...}}
Cost     O(holds)
Caller   daemon/queue/survey.c
]]
local QUEUE, DELAYED, LEASES, INFLIGHT, DEAD, STATS, HOLDS, LIMITER = unpack(KEYS)
local key_fp = ARGV[2]

local refused = lacks('LLEN', QUEUE) or lacks('LRANGE', QUEUE, '0', '0') or lacks('INFO', QUEUE)
  or lacks('ZCARD', DELAYED) or lacks('ZRANGE', DELAYED, '0', '0')
  or lacks('ZCARD', LEASES)
  or lacks('HLEN', INFLIGHT)
  or lacks('XLEN', DEAD)
  or lacks('HGETALL', STATS)
  or lacks('HGETALL', HOLDS)
  or lacks('HMGET', LIMITER, 'field')
  or wrong_type(QUEUE, 'list') or wrong_type(DELAYED, 'zset') or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash')
  or wrong_type(DEAD, 'stream') or wrong_type(STATS, 'hash') or wrong_type(HOLDS, 'hash') or wrong_type(LIMITER, 'hash')
if refused then
  return refused
end

local function head_age_ms()
  local head = redis.call('LRANGE', QUEUE, 0, 0)[1] or ''
  local enqueued_ms = string.match(string.sub(head, 1, MAX_PAYLOAD_KEPT), '"enqueuedAtMs"%s*:%s*(%d+)')
  return enqueued_ms and math.max(0, now_ms - tonumber(enqueued_ms)) or -1
end

local function overdue_ms()
  local due_ms = tonumber(redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2])
  return due_ms and math.max(0, now_ms - due_ms) or 0
end

local function binding_causes()
  local causes, holds = {}, load_holds(HOLDS)
  for _, cause in ipairs({ 'pause', 'unknown_users:' .. key_fp, 'account:' .. key_fp, 'outage' }) do
    local hold = holds[cause]
    if hold and (hold.until_ms == 0 or hold.until_ms > now_ms) then
      causes[#causes + 1] = cause
    end
  end
  return causes
end

local memory = redis.call('INFO', 'memory')
local rate = redis.call('HMGET', LIMITER, 'perSec', 'pace')
return { now_ms, redis.call('LLEN', QUEUE), redis.call('ZCARD', DELAYED), redis.call('ZCARD', LEASES),
  redis.call('HLEN', INFLIGHT), redis.call('XLEN', DEAD), head_age_ms(), overdue_ms(),
  tonumber(string.match(memory, '\nused_memory:(%d+)') or '0'), tonumber(string.match(memory, '\nmaxmemory:(%d+)') or '0'),
  binding_causes(), rate[1] or '', rate[2] or '', redis.call('HGETALL', STATS) }
