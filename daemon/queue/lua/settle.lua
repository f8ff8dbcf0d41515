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
ARGV  1 prefix  2 number  3 settings (JSON)  4..19 empty: SLOWLOG shows the first 31 words of a command, and each item has
      a link, which is a credential. Then the items, 15 words each:
        lease, endUserId, `<kind> <signal> <accepted>`, keyFp, ageMs, linkExpiryMins, requestId, redirectUrl, ref, resetMs, then
        of a link (kind created): lifeMs, sessionId, createdAt, expiresAt, authFlowUrl
        of anything else: delayMs, retryAfterMs, httpStatus, errorCode, detail
      accepted: 1, 0, or - when the pace is not to be told. ageMs: since the request began. resetMs: how long nothing is left
      of the API's limit, as its headers say. Words, for JSON of the same takes half as long again to read.

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
local HUGE = 1e15

-- Items are known by the place of their first word.
local FIRST_ITEM, ITEM_WORDS = 20, 15
local USER = 1   -- behind it

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
if (#ARGV - FIRST_ITEM + 1) % ITEM_WORDS ~= 0 then
  return redis.error_reply('ERR authlink settle of ' .. #ARGV .. ' words: no whole number of items')
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
local function write_fields(how, key, at, expires_at, attempts)
  local user, _, _, _, mins, request_id, redirect_url, ref, _, _, session_id, created_at, expires_iso, url =
    unpack(ARGV, at + 1, at + 14)
  return how('HSET', key, 'status', 'ready', 'status', 'ready', 'status', 'ready', 'status', 'ready',
    'endUserId', user, 'sessionId', session_id, 'createdAt', created_at, 'expiresAt', expires_iso,
    'expiresAtMs', expires_at, 'redirectUrl', redirect_url, 'linkExpiryMins', mins, 'ref', ref,
    'attempts', attempts, 'requestId', request_id, 'updatedAtMs', shared_digits[now_ms], 'authFlowUrl', url)
end

-- Most users have nothing there: that it was so is known by the fields that are new. What was there goes whole.
local function write_ready(at, expires_at, attempts)
  local key = session_key(ARGV[at + USER])
  if write_fields(pcall_redis, key, at, expires_at, attempts) ~= READY_FIELDS then
    call('DEL', key)
    write_fields(call, key, at, expires_at, attempts)
  end
  call('PEXPIREAT', key, expires_at)
end

-- Users whose jobs this call has settled -> lease: their entries in leases and index are cleared at its end.
local settled_in = {}

-- What an outcome other than a link needs, made when the first of them comes.
local others, meanings

-- A number from an item by its word; false if it is none, or none of ours.
local naturals = setmetatable({}, { __index = function(known, word)
  local number = tonumber(word)
  number = number and number >= 0 and number < HUGE and number or false
  known[word] = number
  return number
end })

local function others_of()
  others = others or settle_others({ settings = settings, holds = holds, inflight = INFLIGHT, delayed = DELAYED,
    streams = STREAMS, settled_in = settled_in, expiry_of = expiry_of, write_ready = write_ready, meanings = meanings,
    naturals = naturals })
  return others
end

local created = 0   -- of this call

local function settle_created(job_key, attempts_before, at, expires_ms)
  created = created + 1
  local expires_at, attempts = digits(expires_ms), shared_digits[attempts_before + 1]
  write_ready(at, expires_at, attempts)
  write_event(EVENTS, settings.eventsKeepMs, 'type', 'ready', 'jobKey', job_key, 'endUserId', ARGV[at + USER],
    'ref', ARGV[at + 8], 'sessionId', ARGV[at + 11], 'expiresAtMs', expires_at, 'attempts', attempts)
end

local ACCEPTED = { ['1'] = true, ['0'] = false }

-- The third word of an item, read once for all that have the same: kind, signal, accepted (nil: the pace is not told).
meanings = setmetatable({}, { __index = function(known, word)
  local kind, signal, accepted = match(word, '^(%l[%l_]*) (%l+) ([10-])$')
  local is_link = kind == 'created' and signal == 'ok'
  local meaning = { kind = kind, signal = signal, accepted = ACCEPTED[accepted], is_link = is_link,
    is_sound = is_link or others_of().is_known(kind, signal) }
  known[word] = meaning
  return meaning
end })

-- Where each item begins in ARGV.
local items = {}
for at = FIRST_ITEM, #ARGV, ITEM_WORDS do
  items[#items + 1] = at
end

-- Lease -> its users among these items.
local function by_lease(some)
  local users, last, of_last = {}, nil, nil
  for _, at in ipairs(some) do
    local lease = ARGV[at]
    if lease ~= last then   -- most have the one of their neighbour
      last, of_last = lease, users[lease] or {}
      users[lease] = of_last
    end
    of_last[#of_last + 1] = ARGV[at + USER]
  end
  return users
end

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
local function tell_holds(at, item, job_key)
  if next(holds) == nil and (item or meanings[ARGV[at + 2]]).signal == 'ok' then
    if memory.failures > 0 then
      memory.failures, memory.jobs = 0, {}
    end
    memory.last_ok_ms = now_ms
    note_worked(ARGV[at + 3])
    return
  end
  feed_holds = feed_holds or settle_holds({ settings = settings, holds = holds, memory = memory, key = HOLDS,
    limiter = LIMITER, note_worked = note_worked })
  feed_holds(item or others_of().named(at), job_key)
end

-- The answer as pace_answers.lua takes it.
local function tell_pace(slot_us, accepted, retry_after_ms, reset_ms)
  if accepted and retry_after_ms == 0 and reset_ms == 0 then
    learned[#learned + 1] = slot_us
  elseif accepted ~= nil then
    learned[#learned + 1] = { slotUs = slot_us, accepted = accepted, retryAfterMs = retry_after_ms, resetMs = reset_ms }
  end
end

-- When the link of this item ends, Unix ms; false if it is none, or a number in it is none.
local function link_end(at, meaning)
  local age_ms, mins = naturals[ARGV[at + 4]], naturals[ARGV[at + 5]]
  local reset_ms, life_ms = naturals[ARGV[at + 9]], naturals[ARGV[at + 10]]
  return meaning.is_link and age_ms and mins and reset_ms and life_ms and expiry_of(age_ms, life_ms, mins)
end

-- Whatever is no link, or one that waited so long for this settle that it is over: that is asked for again.
local function settle_other(at, record, job_key)
  local job = from_record(record)
  if not job then
    dead_letters().bury_foreign(STREAMS, settings.eventsKeepMs, next_job_key(STATS), record)
    return
  end
  local item = others_of().named(at)
  others_of().settle(job, item)
  tell_pace(job.slot_us, item.accepted, item.retryAfterMs, item.resetMs)
  tell_holds(at, item, job_key)
end

local function settle_one(at)
  local lease, user, word = unpack(ARGV, at, at + 2)
  local record = records[lease][user]
  if not record then
    fenced[#fenced + 1] = user
    others_of().settle_fenced(at)
    return
  end
  records[lease][user] = nil
  settled[#settled + 1], settled_in[user] = at, lease
  local job_key, attempts, slot_us = outline_of(record)
  local meaning = meanings[word]
  local expires_ms = link_end(at, meaning)
  if not (job_key and expires_ms and expires_ms > now_ms) then
    settle_other(at, record, job_key)
    return
  end
  settle_created(job_key, attempts, at, expires_ms)
  tell_pace(slot_us, meaning.accepted, 0, naturals[ARGV[at + 9]])
  tell_holds(at, nil, job_key)
end

-- The old places: leases, the index, and leases that are empty now.
local function clear_settled()
  local users, indexed = {}, {}
  for i, at in ipairs(settled) do
    users[i] = ARGV[at + USER]
  end
  for i, holder in ipairs(call('HMGET', INFLIGHT, unpack(users))) do
    if holder == ARGV[settled[i]] then
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

for _, at in ipairs(items) do
  settle_one(at)
end
if #settled > 0 then
  clear_settled()
end

pace.advance(limiter, now_us)
pace.learn(limiter, now_us, learned)
store_pace(LIMITER, limiter, 'row', digits(memory.failures) .. ' ' .. table.concat(memory.jobs, ','),
  'lastOkMs', digits(memory.last_ok_ms))
if created > 0 then
  count('attempts', created)
  count('ready', created)
  redis.call('HSET', STATS, 'lastReadyMs', digits(now_ms))
end
write_counters(STATS)
redis.call('SET', SETTLED, ARGV[2], 'PX', SETTLED_TTL_MS)
return { now_ms, 'done', fenced, holds_reply(holds), rate_reply(limiter) }
