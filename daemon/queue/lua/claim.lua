-- step flags= needs=rights,common,(dead_letters),job_id,(job_object),jobs,pace,(pace_learned),limiter,(hold_rules),holds,(claim_holds),(claim_others)
--[[
claim.lua - hand a batch of jobs, and the send slots for them, to one instance.

One atomic step; refused whole when Redis is out of memory (no allow-oom). Not idempotent: a claim whose
reply was lost leaves a stray lease, which reap gives back by its name.

KEYS  1 queue     list, jobs                     7 holds   hash, cause -> what is known
      2 delayed   zset, record -> due, Unix ms   8 events  stream
      3 lease     hash, user -> record           9 dead    stream
      4 leases    zset, lease -> deadline ms    10 stats   hash
      5 inflight  hash, user -> lease           11 meta    hash
      6 limiter   hash
ARGV  1 prefix  2 lease  3 want (1..256)  4 leaseMs  5 keyFp  6 publishableKey  7 schema  8 settings (JSON)

Returns  {nowMs, 'jobs', probe 0|1, queue length, ms until the next delayed job is due or -1,
            'perSec burst maxPerSec pace', {nine a job: user, jobKey, attempts, recoveries, ageMs,
            slot in us from now, redirectUrl, linkExpiryMins, ref}, {three a job that was nothing but an ID, which goes by
            the settings: user, jobKey, slot in us from now}}
         {nowMs, 'wait', ms}: no slot is free
         {nowMs, 'hold', cause, ms until the soonest change (1..1000), detail}
         {nowMs, 'foreign', 'schema' | 'publishableKey', what the data says}
Errors   "ERR authlink ...", "NOPERM authlink ..."; nothing written
Cost     O(jobs looked at), at most 1,024
Needs    Redis 7.0 (script flags). Keys share one hash slot.
Caller   daemon/queue/claim.c
]]
local QUEUE, DELAYED, LEASE, LEASES, INFLIGHT, LIMITER, HOLDS, EVENTS, DEAD, STATS, META = unpack(KEYS)
local lease, want, lease_ms, key_fp = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local settings = settings_in(ARGV[8])
local STREAMS = { events = EVENTS, dead = DEAD }

local MAX_LOOKED_AT = 1024
local MAX_REPLY_BYTES = 192 * 1024
local READ_AT_ONCE = 32
local FEW_FIELDS, NEVER_COMPACT_BYTES = 8, 1024   -- doctor recommends compact values of up to 512 bytes

--[[
What is read before the first write; what follows goes by it. A read of a foreign type fails, so of the keys that are only
written their length is read: that takes half as long as to ask for the type.
]]
local meta, limiter, turn, holds, queue_len, first_due, taken_before, is_used_twice

local function read_first()
  meta = call('HMGET', META, 'schema', 'publishableKey')
  limiter, turn = load_line(LIMITER, 'turn')
  holds = load_holds(HOLDS)
  queue_len = call('LLEN', QUEUE)
  first_due = call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
  taken_before = tonumber(call('HGET', STATS, 'taken') or '0')
  is_used_twice = call('EXISTS', LEASE) == 1
  call('ZCARD', LEASES)
  call('HLEN', INFLIGHT)
  call('XLEN', EVENTS)
  call('XLEN', DEAD)
end

local ALL_LEASES, ALL_SESSIONS = PREFIX .. ':lease:*', session_key('*')

local function why_unread()
  return lacks('HMGET', META, 'field')
    or lacks('HMGET', LIMITER, 'field')
    or lacks('HGETALL', HOLDS)
    or lacks('LLEN', QUEUE)
    or lacks('ZRANGE', DELAYED, '0', '0')
    or lacks('HGET', STATS, 'field')
    or lacks('EXISTS', ALL_LEASES)
    or lacks('ZCARD', LEASES)
    or lacks('HLEN', INFLIGHT)
    or lacks('XLEN', EVENTS)
    or lacks('XLEN', DEAD)
    or wrong_type(META, 'hash') or wrong_type(LIMITER, 'hash') or wrong_type(HOLDS, 'hash') or wrong_type(QUEUE, 'list')
    or wrong_type(DELAYED, 'zset') or wrong_type(STATS, 'hash') or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash')
    or wrong_type(EVENTS, 'stream') or wrong_type(DEAD, 'stream')
end

-- Each command that may follow, with its key.
local function has_rights(may)
  return may('LRANGE', QUEUE, '0', '0') and may('LTRIM', QUEUE, '0', '0')
    and may('ZADD', DELAYED, '1', 'member') and may('ZREM', DELAYED, 'member')
    and may('HEXISTS', ALL_LEASES, 'field') and may('HSET', ALL_LEASES, 'field', 'value')
    and may('ZSCORE', LEASES, 'member') and may('ZADD', LEASES, '1', 'member')
    and may('HMGET', INFLIGHT, 'field') and may('HSET', INFLIGHT, 'field', 'value')
    and may('HSET', LIMITER, 'field', 'value')
    and may('HSET', HOLDS, 'field', 'value') and may('HDEL', HOLDS, 'field')
    and may('XADD', EVENTS, '*', 'field', 'value')
    and may('XADD', DEAD, '*', 'field', 'value')
    and may('HINCRBY', STATS, 'field', '1')
    and may('HSET', META, 'field', 'value')
    and may('EXISTS', ALL_SESSIONS) and may('HGET', ALL_SESSIONS, 'field') and may('HMGET', ALL_SESSIONS, 'field')
    and may('DEL', ALL_SESSIONS)
    and may('HSET', ALL_SESSIONS, 'field', 'value') and may('PEXPIRE', ALL_SESSIONS, '1')
end

local refused = missing_right(has_rights) or refusal_of(read_first, why_unread)
if refused then
  return refused
end
if is_used_twice then
  return wrong_type(LEASE, 'hash') or redis.error_reply('ERR authlink name used twice: ' .. lease)
end

-- What of :meta is not mine; a new :meta is made mine.
local function foreign_meta()
  if not meta[1] and not meta[2] then
    redis.call('HSET', META, 'schema', ARGV[7], 'publishableKey', ARGV[6])
    return nil
  end
  if meta[1] ~= ARGV[7] then
    return 'schema', meta[1] or ''
  end
  if meta[2] ~= ARGV[6] then
    return 'publishableKey', meta[2] or ''
  end
end

local what, theirs = foreign_meta()
if what then
  return { now_ms, 'foreign', what, theirs }
end
if not limiter.per_sec then
  pace_learned()
  pace.start(limiter, now_us, settings.perSec, settings.burst, settings.maxPerSec)
end
local held = next(holds) and claim_holds({ holds = holds, key = HOLDS, key_fp = key_fp, lease = lease, lease_ms = lease_ms })
if held then
  local forbidding, change_in = held.forbidding()
  if forbidding then
    return { now_ms, 'hold', forbidding, change_in, holds[forbidding].detail }
  end
end

local probe = held and held.is_probing()
local is_delayed_due = first_due and tonumber(first_due) <= now_ms
pace.advance(limiter, now_us)
-- No more than there may be jobs: an idle fleet wants many and has few.
local slots = pace.reserve(limiter, now_us, probe and 1 or is_delayed_due and want or clamp(queue_len, 1, want))
if #slots == 0 then
  return { now_ms, 'wait', pace.wait_ms(limiter, now_us, want) }
end

--[[
Two sources, read some elements at a time, never more than there are slots. `looked` counts the elements that were
consumed; what was put back into :delayed has a later score and is out of the way.
]]
local waiting = {
  queue = { looked = 0, buffer = {}, at = 1, dry = queue_len == 0 },
  delayed = { looked = 0, buffer = {}, at = 1, dry = not is_delayed_due, gone = {} },
}
local taken, handed_out = 0, 0
local out, plain_out, reply_bytes = {}, {}, 0
local lease_fields, inflight_fields, mine = {}, {}, {}

local NO_DIGITS = '0000000000000000'
local shown_len, zeros   -- those of a key are as many as of the one before

-- The next job key, and as it is shown.
local function new_key()
  taken = taken + 1
  local shown = digits(taken_before + taken)
  if #shown ~= shown_len then
    shown_len, zeros = #shown, string.sub(NO_DIGITS, #shown + 1)
  end
  return zeros .. shown, shown
end

-- Into the lease, with the next slot; more_bytes: of the reply, beside the user. Returns the slot, in us from now.
local function enter(user, record_head, record_tail, more_bytes)
  handed_out = handed_out + 1
  local slot_us, n = slots[handed_out], 2 * handed_out
  lease_fields[n - 1], lease_fields[n] = user, record_head .. digits(slot_us) .. record_tail
  inflight_fields[n - 1], inflight_fields[n] = user, lease
  mine[user] = true
  reply_bytes = reply_bytes + #user + 128 + more_bytes
  return slot_us > now_us and math.floor(slot_us - now_us) or 0
end

-- What all but plain IDs from the queue needs, made when the first of that comes.
local others

local function others_of()
  others = others or claim_others({ settings = settings, lease = lease, leases = LEASES, delayed = DELAYED, streams = STREAMS,
    new_key = new_key, enter = enter, mine = mine, out = out })
  return others
end

--[[
A text of :queue or :delayed, read. An ID alone from the queue, the usual case, stays a text: to make a job of it takes longer
than to hand it out.
]]
local function read_element(name, text)
  if name == 'queue' and check_id(text) then
    return text
  end
  return others_of().read(name, text)
end

-- Which lease has their users, as the index says, and whether any of them has a hash: most have none. One HMGET and one
-- EXISTS, for to ask for each user takes several times as long.
local function note_users(jobs)
  local places, users, hashes = {}, {}, {}
  for place, job in ipairs(jobs) do
    local user = type(job) == 'string' and job or job.is_sound and job.user
    if user then
      local n = #users + 1
      places[n], users[n], hashes[n] = place, user, session_key(user)
    end
  end
  if #users == 0 then
    return
  end
  local has_hash = call('EXISTS', unpack(hashes)) > 0
  for i, indexed in ipairs(call('HMGET', INFLIGHT, unpack(users))) do
    local job = jobs[places[i]]
    local is_plain = type(job) == 'string'
    if indexed or has_hash or not is_plain then   -- a plain one without either stays as it is
      job = is_plain and others_of().read('queue', job) or job
      job.lease, job.has_hash = indexed, has_hash
      jobs[places[i]] = job
    end
  end
end

-- True if the source has an element left.
local function refill(name, source)
  if source.at <= #source.buffer then
    return true
  end
  if source.dry then
    return false
  end
  local most, texts_read = math.min(READ_AT_ONCE, #slots - handed_out), nil
  if name == 'queue' then
    texts_read = call('LRANGE', QUEUE, source.looked, source.looked + most - 1)
  else
    texts_read = call('ZRANGE', DELAYED, '-inf', digits(now_ms), 'BYSCORE', 'LIMIT', #source.gone, most)
  end
  source.buffer, source.at, source.dry = {}, 1, #texts_read < most
  for i, text in ipairs(texts_read) do
    source.buffer[i] = read_element(name, text)
  end
  note_users(source.buffer)
  return #texts_read > 0
end

turn = turn == '1' and 'queue' or 'delayed'

-- Name and next element of the source whose turn it is, else of the other one; nil when both are dry.
local function next_element()
  local name = turn
  local source = waiting[name]
  if not refill(name, source) then
    name = turn == 'queue' and 'delayed' or 'queue'
    source = waiting[name]
    if not refill(name, source) then
      return nil
    end
  end
  local element = source.buffer[source.at]
  source.at = source.at + 1
  source.looked = source.looked + 1
  return name, element
end

local NEW_RECORD = ' 0 0 ' .. digits(now_ms) .. ' '

-- Hands out a job that is nothing but its ID.
local function hand_out_plain(user)
  local key, shown = new_key()
  local slot_in_us, m = enter(user, key .. NEW_RECORD, ' ' .. user, 0), #plain_out
  plain_out[m + 1], plain_out[m + 2], plain_out[m + 3] = user, shown, slot_in_us
end

--[[
Writes the new place of one element. Returns 'slot' if it got one, 'back' if a delayed one stays delayed,
else 'done'.
]]
local function place(job)
  if type(job) == 'string' then
    if not mine[job] then
      hand_out_plain(job)
      return 'slot'
    end
    job = others_of().read('queue', job)
  end
  return others_of().place(job)
end

local looked, is_delayed_changed = 0, false
while handed_out < #slots and looked < MAX_LOOKED_AT and reply_bytes < MAX_REPLY_BYTES do
  local name, job = next_element()
  if not name then
    break
  end
  looked = looked + 1
  local became = place(job)
  if became == 'slot' then
    turn = turn == 'queue' and 'delayed' or 'queue'
  end
  is_delayed_changed = is_delayed_changed or name == 'delayed' or became == 'back'
  if name == 'delayed' and became ~= 'back' then
    local gone = waiting.delayed.gone
    gone[#gone + 1] = job.record
  end
end

--[[
HSET. A hash in the compact form is searched from its start for each field, so the cost of a job would grow with the jobs in
hand. One value too long for that form (hash-max-listpack-value) makes it a table for as long as it lives; the true value of
the same field follows it, so nothing of it stays.
]]
local function set_fields(key, fields)
  if handed_out < FEW_FIELDS then
    redis.call('HSET', key, unpack(fields))
  else
    redis.call('HSET', key, fields[1], string.rep(' ', NEVER_COMPACT_BYTES), unpack(fields))
  end
end

-- "perSec burst maxPerSec pace": what the fleet goes by now.
local function rate_reply(state)
  local exact = pace.exact
  return table.concat({ exact(state.per_sec), exact(state.burst), exact(state.max_per_sec), exact(state.pace) }, ' ')
end

-- New places first, then the counters, then the old places.
if handed_out > 0 then
  redis.call('ZADD', LEASES, digits(now_ms + lease_ms), lease)
  set_fields(LEASE, lease_fields)
  set_fields(INFLIGHT, inflight_fields)
  pace.commit(limiter, handed_out)
  if probe then
    held.note_probe()
  end
end
if taken > 0 then
  count('taken', taken)
end
write_counters(STATS)
if looked > 0 then   -- an idle claim writes nothing
  store_pace(LIMITER, limiter, 'turn', turn == 'queue' and '1' or '0')
end
if waiting.queue.looked > 0 then
  redis.call('LTRIM', QUEUE, waiting.queue.looked, -1)
end
if #waiting.delayed.gone > 0 then
  redis.call('ZREM', DELAYED, unpack(waiting.delayed.gone))
end

local next_in = is_delayed_changed and next_due_in(DELAYED) or due_in(first_due)
return { now_ms, 'jobs', (probe and handed_out > 0) and 1 or 0, queue_len - waiting.queue.looked, next_in,
  rate_reply(limiter), out, plain_out }
