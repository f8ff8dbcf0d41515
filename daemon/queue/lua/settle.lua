-- step flags=allow-oom needs=rights,common,(dead_letters),pace,(pace_headers),(pace_learn),(pace_learned),pace_answers,limiter,(hold_rules),holds,(settle_holds),(settle_others)
--[[
settle.lua - record what became of jobs in hand, and take them out of their leases.

One atomic step, allowed when Redis is out of memory: a link already paid for is always stored. Idempotent
by its number. A job that is no longer in the lease is fenced: somebody else has it.

KEYS  1 leases    zset, lease -> deadline ms     6 events   stream
      2 inflight  hash, user -> lease            7 dead     stream
      3 delayed   zset, record -> due, Unix ms   8 stats    hash
      4 limiter   hash                           9 settled  string, number of this process's last settle
      5 holds     hash, cause -> what is known
ARGV  1 prefix  2 number  3 settings (JSON)
      4 {"number": N, "count": N, <blanks up to 128 bytes, so that SLOWLOG never shows a link>, "items": [...]}
        item: [lease, endUserId, kind, signal, keyFp, accepted, ageMs, retryAfterMs, resetMs, lifeMs, linkExpiryMins,
        sessionId, authFlowUrl, createdAt, expiresAt, requestId, redirectUrl, ref, delayMs, httpStatus, errorCode, detail];
        what says nothing is '' or 0. accepted: true, false, or null when the pace is not to be told. ageMs: since the
        request began. resetMs: how long nothing is left of the API's limit, as its headers say. A list, for to read an
        object of so many names takes three times as long.

Returns  {nowMs, 'done' | 'again', {fenced users}, {cause, ms until its next change or -1, detail, ...},
          'perSec burst maxPerSec pace'}; 'again': this number was settled before, nothing is done
Errors   "ERR authlink ...", "NOPERM authlink ..."; nothing written
Cost     O(items * log(delayed)), at most 256 items
Needs    Redis 7.0 (script flags). Keys share one hash slot.
Caller   daemon/queue/settle.c
]]
local LEASES, INFLIGHT, DELAYED, LIMITER, HOLDS, EVENTS, DEAD, STATS, SETTLED = unpack(KEYS)
local number = tonumber(ARGV[2])
local settings = cjson.decode(ARGV[3])
local STREAMS = { events = EVENTS, dead = DEAD }

local SETTLED_TTL_MS = 3600000
local LIFE_SLACK_MS = 300000

-- Places in an item.
local LEASE, USER, SIGNAL, KEY_FP, SESSION_ID, REF = 1, 2, 4, 5, 12, 18

local function lease_key(name)
  return PREFIX .. ':lease:' .. name
end

-- What is read before the first write; what follows goes by it. TYPE is asked only of the keys that are not read here.
local holds, limiter, row, last_ok, settled_before

local function read_first()
  settled_before = tonumber(call('GET', SETTLED) or '') or 0
  holds = load_holds(HOLDS)
  pace_learned()
  limiter, row, last_ok = load_pace(LIMITER, 'row', 'lastOkMs')
end

local ALL_LEASES, ALL_SESSIONS = lease_key('*'), session_key('*')

local function why_unread()
  return lacks('GET', SETTLED)
    or lacks('HGETALL', HOLDS)
    or lacks('HMGET', LIMITER, 'field')
    or wrong_type(SETTLED, 'string') or wrong_type(HOLDS, 'hash') or wrong_type(LIMITER, 'hash')
end

local refused = lacks('ZREM', LEASES, 'member')
  or lacks('HMGET', INFLIGHT, 'field') or lacks('HDEL', INFLIGHT, 'field')
  or lacks('ZADD', DELAYED, '1', 'member')
  or lacks('HEXISTS', LIMITER, 'field') or lacks('HINCRBY', LIMITER, 'field', '1')
  or lacks('HSETNX', LIMITER, 'field', 'value') or lacks('HSET', LIMITER, 'field', 'value')
  or lacks('HDEL', LIMITER, 'field')
  or lacks('HSET', HOLDS, 'field', 'value') or lacks('HDEL', HOLDS, 'field')
  or lacks('XADD', EVENTS, '*', 'field', 'value')
  or lacks('XADD', DEAD, '*', 'field', 'value')
  or lacks('HINCRBY', STATS, 'field', '1') or lacks('HSET', STATS, 'field', 'value')
  or lacks('SET', SETTLED, 'value')
  or lacks('HMGET', ALL_LEASES, 'field') or lacks('HEXISTS', ALL_LEASES, 'field') or lacks('EXISTS', ALL_LEASES)
  or lacks('HDEL', ALL_LEASES, 'field')
  or lacks('HGET', ALL_SESSIONS, 'field') or lacks('HMGET', ALL_SESSIONS, 'field')
  or lacks('DEL', ALL_SESSIONS)
  or lacks('HSET', ALL_SESSIONS, 'field', 'value') or lacks('PEXPIRE', ALL_SESSIONS, '1')
  or lacks('PEXPIREAT', ALL_SESSIONS, '1')
  or refusal_of(read_first, why_unread)
  or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash') or wrong_type(DELAYED, 'zset')
  or wrong_type(EVENTS, 'stream') or wrong_type(DEAD, 'stream') or wrong_type(STATS, 'hash')
if refused then
  return refused
end

if not limiter.per_sec then
  pace.start(limiter, now_us, settings.perSec, settings.burst, settings.maxPerSec)
end
if settled_before >= number then
  return { now_ms, 'again', {}, holds_reply(holds), rate_reply(limiter) }
end

-- What the holds go by beside their own fields: failures in a row and the first successes of keys.
local memory = { worked = {}, jobs = {} }
do
  local failures, jobs = match(row or '', '^(%d+) (.*)$')
  memory.failures = tonumber(failures or '0')
  for key in string.gmatch(jobs or '', '[^,]+') do
    memory.jobs[#memory.jobs + 1] = key
  end
  memory.last_ok_ms = tonumber(last_ok or '0') or 0
  if memory.last_ok_ms > now_ms then
    memory.last_ok_ms = 0   -- the clock of Redis went back
  end
end

-- At once, since later items of the same call may be missing ones.
local function note_worked(key_fp)
  if memory.worked[key_fp] then
    return
  end
  memory.worked[key_fp] = true
  if redis.call('HSETNX', LIMITER, 'worked:' .. key_fp, digits(now_ms)) == 1 then
    redis.call('HDEL', LIMITER, 'missing:' .. key_fp)
  end
end

-- Of its link, Unix ms.
local function expiry_of(age_ms, life_ms, link_expiry_mins)
  return now_ms - age_ms + math.min(life_ms, link_expiry_mins * 60000 + LIFE_SLACK_MS)
end

local READY_FIELDS = 13

-- Returns how many fields are new. SLOWLOG shows the first 31 words of a command, also of one that a script calls: the
-- link, a credential, stands behind them, so one field is written four times.
local function write_fields(how, key, item, expires_at, attempts)
  local mins, session_id, url, created_at, expires_iso, request_id, redirect_url, ref = unpack(item, 11, 18)
  return how('HSET', key, 'status', 'ready', 'status', 'ready', 'status', 'ready', 'status', 'ready',
    'endUserId', item[USER], 'sessionId', session_id, 'createdAt', created_at, 'expiresAt', expires_iso,
    'expiresAtMs', expires_at, 'redirectUrl', redirect_url, 'linkExpiryMins', shared_digits[mins], 'ref', ref,
    'attempts', attempts, 'requestId', request_id, 'updatedAtMs', shared_digits[now_ms], 'authFlowUrl', url)
end

-- Most users have nothing there: that it was so is known by the fields that are new. What was there goes whole.
local function write_ready(item, expires_at, attempts)
  local key = session_key(item[USER])
  if write_fields(pcall_redis, key, item, expires_at, attempts) ~= READY_FIELDS then
    call('DEL', key)
    write_fields(call, key, item, expires_at, attempts)
  end
  call('PEXPIREAT', key, expires_at)
end

-- Users whose jobs this call has settled -> lease: their entries in leases and index are cleared at its end.
local settled_in = {}

-- What an outcome other than a link needs, made when the first of them comes.
local others

local function others_of()
  others = others or settle_others({ settings = settings, holds = holds, inflight = INFLIGHT, delayed = DELAYED,
    streams = STREAMS, settled_in = settled_in, expiry_of = expiry_of, write_ready = write_ready })
  return others
end

local function settle_created(job_key, attempts_before, item, expires_ms)
  count('attempts')
  count('ready')
  local expires_at, attempts = digits(expires_ms), shared_digits[attempts_before + 1]
  write_ready(item, expires_at, attempts)
  memory.last_ready_ms = now_ms
  write_event(EVENTS, settings.eventsKeepMs, 'type', 'ready', 'jobKey', job_key, 'endUserId', item[USER],
    'ref', item[REF], 'sessionId', item[SESSION_ID], 'expiresAtMs', expires_at, 'attempts', attempts)
end

local HUGE = 1e15

--[[
Raises, or returns false, if the item would fail half way. Lua itself proves the types: only numbers compare with a number,
only texts with a text; that costs a fifth of asking for each type.
]]
local function is_sound(item)
  local lease, user, kind, signal, key_fp, accepted, age_ms, retry_after_ms, reset_ms, life_ms, mins, session_id, url,
    created_at, expires_at, request_id, redirect_url, ref, delay_ms, http_status, error_code, detail = unpack(item, 1, 22)
  local _ = lease < '' or user < '' or key_fp < '' or session_id < '' or url < '' or created_at < '' or expires_at < ''
    or request_id < '' or redirect_url < '' or ref < '' or error_code < '' or detail < ''
  return age_ms < HUGE and retry_after_ms < HUGE and reset_ms < HUGE and life_ms < HUGE and mins < HUGE and delay_ms < HUGE
    and http_status < HUGE and (accepted == true or accepted == false or accepted == cjson.null)
    and (kind == 'created' and signal == 'ok' or others_of().is_known(kind, signal))
end

-- Every item, or what stands for it if it is unsound: to refuse the call would refuse all of it at every repetition. Its
-- job is buried, for a person to see; if not even its place can be read, it is left to the reaper as a stray.
local function sound_items(list)
  local sound = {}
  for i, item in ipairs(list) do
    local fine, is_fine = pcall(is_sound, item)
    sound[#sound + 1] = fine and is_fine and item or others_of().stands_for(item, i)
  end
  return sound
end

-- Lease -> its users among these items.
local function by_lease(some)
  local users = {}
  for _, item in ipairs(some) do
    local of_lease = users[item[LEASE]] or {}
    of_lease[#of_lease + 1] = item[USER]
    users[item[LEASE]] = of_lease
  end
  return users
end

local items = sound_items(cjson.decode(ARGV[4]).items)

-- The records of all items, read lease by lease: lease -> user -> record. A record is taken once.
local function read_records()
  local records = {}
  for lease, users in pairs(by_lease(items)) do
    local found, of_lease = call('HMGET', lease_key(lease), unpack(users)), {}
    for i, user in ipairs(users) do
      of_lease[user] = found[i]
    end
    records[lease] = of_lease
  end
  return records
end

local records = read_records()
local fenced, learned, settled = {}, {}, {}

local feed_holds   -- of settle_holds.lua

-- What the holds learn of this answer. While there are none, a link only tells that the API works.
local function tell_holds(item, job_key)
  if item[SIGNAL] == 'ok' and next(holds) == nil then
    if memory.failures > 0 then
      memory.failures, memory.jobs = 0, {}
    end
    memory.last_ok_ms = now_ms
    note_worked(item[KEY_FP])
    return
  end
  feed_holds = feed_holds or settle_holds({ settings = settings, holds = holds, memory = memory, key = HOLDS,
    limiter = LIMITER, note_worked = note_worked })
  feed_holds(others_of().named(item), job_key)
end

local function settle_one(item)
  local lease, user, kind, _, _, accepted, age_ms, retry_after_ms, reset_ms, life_ms, mins = unpack(item, 1, 11)
  local record = records[lease][user]
  if not record then
    fenced[#fenced + 1] = user
    others_of().settle_fenced(item)
    return
  end
  records[lease][user] = nil
  settled[#settled + 1], settled_in[user] = item, lease
  local job_key, attempts, slot_us = outline_of(record)
  local expires_ms = kind == 'created' and expiry_of(age_ms, life_ms, mins) or 0
  if job_key and expires_ms > now_ms then
    settle_created(job_key, attempts, item, expires_ms)
  else
    local job = from_record(record)
    if not job then
      dead_letters().bury_foreign(STREAMS, settings.eventsKeepMs, next_job_key(STATS), record)
      return
    end
    -- a link that waited too long for this settle is asked for again
    others_of().settle(job, item, kind == 'created' and 'retry' or kind)
  end
  if accepted ~= cjson.null then
    learned[#learned + 1] = { slotUs = slot_us, accepted = accepted, retryAfterMs = retry_after_ms, resetMs = reset_ms }
  end
  tell_holds(item, job_key)
end

-- The old places: leases, the index, and leases that are empty now.
local function clear_settled()
  local users, indexed = {}, {}
  for i, item in ipairs(settled) do
    users[i] = item[USER]
  end
  for i, holder in ipairs(call('HMGET', INFLIGHT, unpack(users))) do
    if holder == settled[i][LEASE] then
      indexed[#indexed + 1] = users[i]
    end
  end
  for lease, ids in pairs(by_lease(settled)) do
    call('HDEL', lease_key(lease), unpack(ids))
    if call('EXISTS', lease_key(lease)) == 0 then
      call('ZREM', LEASES, lease)
    end
  end
  if #indexed > 0 then
    call('HDEL', INFLIGHT, unpack(indexed))
  end
end

for _, item in ipairs(items) do
  settle_one(item)
end
if #settled > 0 then
  clear_settled()
end

pace.advance(limiter, now_us)
pace.learn(limiter, now_us, learned)
store_pace(LIMITER, limiter, 'row', digits(memory.failures) .. ' ' .. table.concat(memory.jobs, ','),
  'lastOkMs', digits(memory.last_ok_ms))
write_counters(STATS)
if memory.last_ready_ms then
  redis.call('HSET', STATS, 'lastReadyMs', digits(memory.last_ready_ms))
end
redis.call('SET', SETTLED, ARGV[2], 'PX', SETTLED_TTL_MS)
return { now_ms, 'done', fenced, holds_reply(holds), rate_reply(limiter) }
