-- step flags= needs=rights,common,(dead_letters),job_id,(job_object),jobs,pace,(pace_learned),limiter,(hold_rules),holds
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
            slot in us from now, redirectUrl, linkExpiryMins, ref}, {redirectUrl, linkExpiryMins of all that follow, then
            three a job that was nothing but an ID: user, jobKey, slot in us from now}}
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
local settings = cjson.decode(ARGV[8])
local STREAMS = { events = EVENTS, dead = DEAD }

local MAX_LOOKED_AT = 1024
local MAX_REPLY_BYTES = 192 * 1024
local READ_AT_ONCE = 32
local PROBE_FORGOTTEN_MS = 600000
local FORCE_QUIET_MS = 60000
local FEW_FIELDS, NEVER_COMPACT_BYTES = 8, 1024   -- doctor recommends compact values of up to 512 bytes
local MIN_BUSY_WAIT_MS, MAX_BUSY_WAIT_MS = 250, 10000

--[[
What is read before the first write; what follows goes by it. A read of a foreign type fails, so TYPE is asked
only of the keys that are not read here.
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
    or wrong_type(META, 'hash') or wrong_type(LIMITER, 'hash') or wrong_type(HOLDS, 'hash') or wrong_type(QUEUE, 'list')
    or wrong_type(DELAYED, 'zset') or wrong_type(STATS, 'hash')
end

local refused = lacks('LRANGE', QUEUE, '0', '0') or lacks('LTRIM', QUEUE, '0', '0')
  or lacks('ZADD', DELAYED, '1', 'member') or lacks('ZREM', DELAYED, 'member')
  or lacks('HEXISTS', ALL_LEASES, 'field') or lacks('HSET', ALL_LEASES, 'field', 'value')
  or lacks('ZSCORE', LEASES, 'member') or lacks('ZADD', LEASES, '1', 'member')
  or lacks('HMGET', INFLIGHT, 'field') or lacks('HSET', INFLIGHT, 'field', 'value')
  or lacks('HSET', LIMITER, 'field', 'value')
  or lacks('HSET', HOLDS, 'field', 'value') or lacks('HDEL', HOLDS, 'field')
  or lacks('XADD', EVENTS, '*', 'field', 'value')
  or lacks('XADD', DEAD, '*', 'field', 'value')
  or lacks('HINCRBY', STATS, 'field', '1')
  or lacks('HSET', META, 'field', 'value')
  or lacks('EXISTS', ALL_SESSIONS) or lacks('HGET', ALL_SESSIONS, 'field') or lacks('HMGET', ALL_SESSIONS, 'field')
  or lacks('DEL', ALL_SESSIONS)
  or lacks('HSET', ALL_SESSIONS, 'field', 'value') or lacks('PEXPIRE', ALL_SESSIONS, '1')
  or refusal_of(read_first, why_unread)
  or wrong_type(LEASE, 'hash') or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash') or wrong_type(EVENTS, 'stream')
  or wrong_type(DEAD, 'stream')
if refused then
  return refused
end
if is_used_twice then
  return redis.error_reply('ERR authlink name used twice: ' .. lease)
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

-- The causes that bind an instance with my key. What is over goes; a probe that nobody sent for ten minutes, too.
local function binding_holds(rules)
  for cause, hold in pairs(holds) do
    local ended = hold.until_ms > 0 and hold.until_ms <= now_ms
    local forgotten = rules.is_probed(cause) and hold.next_ms + PROBE_FORGOTTEN_MS <= now_ms
    if ended or forgotten then
      redis.call('HDEL', HOLDS, cause)
      holds[cause] = nil
    end
  end
  local binding = {}
  for _, cause in ipairs({ 'pause', 'unknown_users:' .. key_fp, 'account:' .. key_fp, 'outage' }) do
    if holds[cause] then
      binding[#binding + 1] = cause
    end
  end
  return binding
end

-- The cause that forbids this claim, and the ms until that may change; nil: at most a probe's worth is allowed.
local function forbidding_hold(binding, rules)
  local forbidding, soonest = nil, 1000
  for _, cause in ipairs(binding) do
    local hold = holds[cause]
    if not rules.is_probed(cause) or hold.next_ms > now_ms then
      forbidding = forbidding or cause
      local change = rules.change_in(cause, hold)
      if change >= 0 then
        soonest = math.min(soonest, change)
      end
    end
  end
  return forbidding, math.max(1, soonest)
end

local what, theirs = foreign_meta()
if what then
  return { now_ms, 'foreign', what, theirs }
end
if not limiter.per_sec then
  pace_learned()
  pace.start(limiter, now_us, settings.perSec, settings.burst, settings.maxPerSec)
end
local binding, rules = {}, next(holds) and hold_rules()
if rules then
  binding = binding_holds(rules)
  local forbidding, change_in = forbidding_hold(binding, rules)
  if forbidding then
    return { now_ms, 'hold', forbidding, change_in, holds[forbidding].detail }
  end
end

local probe = #binding > 0
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

local function read_into(job)
  local is_sound, reason, detail, is_late = read_job(job, settings, now_ms)
  if is_sound then
    job.is_sound = true
  else
    job.reason, job.detail, job.is_late = reason, detail, is_late
  end
  return job
end

-- A table that grows field by field is laid out anew at 1, 2, 4 and 8, so it has all its fields from the start. Its key
-- comes with its turn.
local function new_job(text)
  return read_into({ key = '', shown = false, attempts = 0, recoveries = 0, first_seen_ms = now_ms, payload = text,
    user = false, link_expiry_mins = 0, redirect_url = '', ref = '', force = false, lease = false, has_hash = false,
    is_sound = false })
end

--[[
A text of :queue or :delayed, read: a job, and why it cannot be asked for if so; without a key if it should be a record and
is none. An ID alone from the queue, the usual case, stays a text: to make a job of it takes longer than to hand it out.
]]
local function read_element(name, text)
  if name == 'queue' then
    return check_id(text) and text or new_job(text)
  end
  local job = from_record(text)
  if not job then
    return { payload = text, record = text, is_foreign = true }
  end
  job.record = text
  return read_into(job)
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
      job = is_plain and new_job(job) or job
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

local function is_reusable(link, job)
  if link.redirect_url ~= job.redirect_url then
    return false
  end
  if job.force then
    return math.abs(now_ms - link.updated_ms) < FORCE_QUIET_MS
  end
  return link.expires_ms - now_ms >= settings.reuseMinShare * job.link_expiry_mins * 60000
end

-- The session's ref is that of who asked last: by it an export finds also those whose link was there before.
local function reuse(job, link)
  if job.ref ~= '' then
    redis.call('HSET', session_key(job.user), 'ref', job.ref)
  end
  count('reused')
  write_event(EVENTS, settings.eventsKeepMs, 'type', 'reused', 'jobKey', shown_key(job.key), 'endUserId', job.user,
    'ref', job.ref, 'sessionId', link.session_id, 'expiresAtMs', digits(link.expires_ms),
    'attempts', digits(job.attempts))
end

-- The user is in flight: wait as long again as the job has waited.
local function put_off(job, holder)
  if holder ~= lease and not redis.call('ZSCORE', LEASES, holder) then
    redis.call('ZADD', LEASES, digits(now_ms), holder)   -- drifted: the next reap gives it back
  end
  local wait_ms = clamp(now_ms - job.first_seen_ms, MIN_BUSY_WAIT_MS, MAX_BUSY_WAIT_MS)
  redis.call('ZADD', DELAYED, digits(now_ms + wait_ms), to_record(job))
end

-- Into the lease, with the next slot. Returns that, in us from now.
local function enter(user, record_head, record_tail)
  handed_out = handed_out + 1
  local slot_us, n = slots[handed_out], 2 * handed_out
  lease_fields[n - 1], lease_fields[n] = user, record_head .. digits(slot_us) .. record_tail
  inflight_fields[n - 1], inflight_fields[n] = user, lease
  mine[user] = true
  reply_bytes = reply_bytes + #user + 128
  return slot_us > now_us and math.floor(slot_us - now_us) or 0
end

local function hand_out(job)
  local head, tail = record_around_slot(job)
  local slot_in_us, m = enter(job.user, head, tail), #out
  out[m + 1], out[m + 2], out[m + 3], out[m + 4] = job.user, job.shown or shown_key(job.key), job.attempts, job.recoveries
  out[m + 5], out[m + 6] = math.max(0, now_ms - job.first_seen_ms), slot_in_us
  out[m + 7], out[m + 8], out[m + 9] = job.redirect_url, job.link_expiry_mins, job.ref
  reply_bytes = reply_bytes + #job.redirect_url + #job.ref
end

local NEW_RECORD = ' 0 0 ' .. digits(now_ms) .. ' '

-- The same for a job that is nothing but its ID.
local function hand_out_plain(user)
  local key, shown = new_key()
  local slot_in_us, m = enter(user, key .. NEW_RECORD, ' ' .. user), #plain_out
  if m == 0 then
    plain_out[1], plain_out[2], m = settings.redirectUrl, settings.linkExpiryMins, 2
  end
  plain_out[m + 1], plain_out[m + 2], plain_out[m + 3] = user, shown, slot_in_us
end

-- Ends a job that cannot be asked for.
local function refuse(job)
  local user, ref, letter = '', '', { reason = job.reason, detail = job.detail }
  local letters = dead_letters()
  if job.is_late then
    user, ref = job.user, job.ref
  end
  letters.bury(STREAMS, settings.eventsKeepMs, job, user, ref, letter)
  if job.is_late then
    letters.write_failed(user, job, ref, letter, settings.failedTtlMs)
  end
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
    job = new_job(job)
  end
  if job.is_foreign then
    dead_letters().bury_foreign(STREAMS, settings.eventsKeepMs, new_key(), job.payload)
    return 'done'
  end
  if job.key == '' then
    job.key, job.shown = new_key()
  end
  if not job.is_sound then
    refuse(job)
    return 'done'
  end
  local link = job.has_hash and valid_link(job.user)
  if link and is_reusable(link, job) then
    reuse(job, link)
    return 'done'
  end
  local holder = mine[job.user] and lease or holder_of(job.lease, job.user)
  if holder then
    put_off(job, holder)
    return 'back'
  end
  hand_out(job)
  return 'slot'
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

-- New places first, then the counters, then the old places.
if handed_out > 0 then
  redis.call('ZADD', LEASES, digits(now_ms + lease_ms), lease)
  set_fields(LEASE, lease_fields)
  set_fields(INFLIGHT, inflight_fields)
  pace.commit(limiter, handed_out)
  if probe then
    for _, cause in ipairs(binding) do
      holds[cause].probe, holds[cause].next_ms = lease, now_ms + lease_ms
      rules.store(HOLDS, cause, holds[cause])
    end
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
