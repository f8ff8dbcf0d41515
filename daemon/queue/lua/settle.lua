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
ARGV  1 prefix  2 number  3 settings (JSON)  4 eventsKeepMs of them, for each link wants it and to decode them takes long
      5..10 empty: SLOWLOG shows the first 31 words of a command, and items have links, which are credentials. Then groups
      of items that have much in common. A group has nine words of its own,
        count of its items, lease, `<kind> <signal> <accepted>`, keyFp, linkExpiryMins, redirectUrl, ref, resetMs, and
        of links (kind created): lifeMs; of anything else: retryAfterMs
      and each of its items seven,
        endUserId, ageMs, requestId, and
        of a link: sessionId, createdAt, expiresAt, authFlowUrl; of anything else: delayMs, httpStatus, errorCode, detail
      accepted: 1, 0, or - when the pace is not to be told. ageMs: since the request began. resetMs: how long nothing is left
      of the API's limit, as its headers say. Words, for JSON of the same takes half as long again to read.

Returns  {nowMs, 'done' | 'again', {fenced users}, {cause, ms until its next change or -1, detail, ...}}; 'again': this number
          was settled before, nothing is done
Errors   "ERR authlink ...", "NOPERM authlink ..."; nothing written
Cost     O(items * log(delayed)), at most 256 items
Needs    Redis 7.0 (script flags). Keys share one hash slot.
Caller   daemon/queue/settle.c
]]
local LEASES, INFLIGHT, DELAYED, LIMITER, HOLDS, EVENTS, DEAD, STATS, SETTLED = unpack(KEYS)
local number, events_keep_ms = tonumber(ARGV[2]), tonumber(ARGV[4])
local settings = settings_in(ARGV[3])
local STREAMS = { events = EVENTS, dead = DEAD }

local SETTLED_TTL_MS = 3600000
local LIFE_SLACK_MS = 300000
local HUGE = 1e15

local FIRST_GROUP, GROUP_WORDS, ITEM_WORDS = 11, 9, 7
local FIRST_KEY_FP = ARGV[FIRST_GROUP + 3] or ''   -- nearly always that of all

local function lease_key(name)
  return PREFIX .. ':lease:' .. name
end

-- What is read before the first write; what follows goes by it. Of the keys that are only written their length is read: it
-- fails where their type is foreign, and takes half as long as to ask for that.
local holds, limiter, learned, row, last_ok, worked, settled_before

local function read_first()
  settled_before = tonumber(call('GET', SETTLED) or '') or 0
  holds = load_holds(HOLDS)
  limiter, learned, row, last_ok, worked = load_line(LIMITER, 'learned', 'row', 'lastOkMs', 'worked:' .. FIRST_KEY_FP)
  limiter.learned = learned or ''
  call('ZCARD', LEASES)
  call('HLEN', INFLIGHT)
  call('ZCARD', DELAYED)
  call('XLEN', EVENTS)
  call('XLEN', DEAD)
  call('HLEN', STATS)
end

local ALL_LEASES, ALL_SESSIONS = lease_key('*'), session_key('*')

local function why_unread()
  return lacks('GET', SETTLED)
    or lacks('HGETALL', HOLDS)
    or lacks('HMGET', LIMITER, 'field')
    or lacks('ZCARD', LEASES) or lacks('HLEN', INFLIGHT) or lacks('ZCARD', DELAYED)
    or lacks('XLEN', EVENTS) or lacks('XLEN', DEAD) or lacks('HLEN', STATS)
    or wrong_type(SETTLED, 'string') or wrong_type(HOLDS, 'hash') or wrong_type(LIMITER, 'hash')
    or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash') or wrong_type(DELAYED, 'zset')
    or wrong_type(EVENTS, 'stream') or wrong_type(DEAD, 'stream') or wrong_type(STATS, 'hash')
end

-- Each command that may follow, with its key.
local function has_rights(may)
  return may('ZREM', LEASES, 'member')
    and may('HMGET', INFLIGHT, 'field') and may('HDEL', INFLIGHT, 'field')
    and may('ZADD', DELAYED, '1', 'member')
    and may('HEXISTS', LIMITER, 'field') and may('HINCRBY', LIMITER, 'field', '1')
    and may('HSETNX', LIMITER, 'field', 'value') and may('HSET', LIMITER, 'field', 'value')
    and may('HDEL', LIMITER, 'field')
    and may('HSET', HOLDS, 'field', 'value') and may('HDEL', HOLDS, 'field')
    and may('XADD', EVENTS, '*', 'field', 'value')
    and may('XADD', DEAD, '*', 'field', 'value')
    and may('HINCRBY', STATS, 'field', '1') and may('HSET', STATS, 'field', 'value')
    and may('SET', SETTLED, 'value')
    and may('HMGET', ALL_LEASES, 'field') and may('HEXISTS', ALL_LEASES, 'field') and may('EXISTS', ALL_LEASES)
    and may('HDEL', ALL_LEASES, 'field')
    and may('HGET', ALL_SESSIONS, 'field') and may('HMGET', ALL_SESSIONS, 'field')
    and may('DEL', ALL_SESSIONS)
    and may('HSET', ALL_SESSIONS, 'field', 'value') and may('PEXPIRE', ALL_SESSIONS, '1')
    and may('PEXPIREAT', ALL_SESSIONS, '1')
end

local refused = missing_right(has_rights) or refusal_of(read_first, why_unread)
if refused then
  return refused
end

-- The places of the groups; nil if they are not whole.
local function find_groups()
  local places, at = {}, FIRST_GROUP
  while at <= #ARGV do
    local items = tonumber(ARGV[at])
    if not items or items < 1 or items % 1 ~= 0 then
      return nil
    end
    places[#places + 1] = at
    at = at + GROUP_WORDS + items * ITEM_WORDS
  end
  return at == #ARGV + 1 and places or nil
end

local group_places = find_groups()
if not (group_places and number and events_keep_ms) then
  return redis.error_reply('ERR authlink settle of ' .. #ARGV .. ' words: its items are not whole')
end

if not limiter.per_sec then
  pace_learned()
  pace.start(limiter, now_us, settings.perSec, settings.burst, settings.maxPerSec)
end
if settled_before >= number then
  return { now_ms, 'again', {}, holds_reply(holds) }
end

-- What the holds go by beside their own fields: failures in a row and the first successes of keys.
local memory = { worked = {}, jobs = {}, failures = 0 }
local NO_ROW = '0 '   -- as it nearly always is
do
  if row ~= NO_ROW then
    local failures, jobs = match(row or '', '^(%d+) (.*)$')
    memory.failures = tonumber(failures or '0')
    for key in string.gmatch(jobs or '', '[^,]+') do
      memory.jobs[#memory.jobs + 1] = key
    end
  end
  if worked then
    memory.worked[FIRST_KEY_FP] = true
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

-- How long a link lives at most, ms: no longer than was asked for, whatever the API said.
local function bounded_life(life_ms, link_expiry_mins)
  return math.min(life_ms, link_expiry_mins * 60000 + LIFE_SLACK_MS)
end

local READY_FIELDS = 13

-- Returns how many fields are new. SLOWLOG shows the first 31 words of a command, also of one that a script calls: the
-- link, a credential, stands behind them, so one field is written four times.
local function write_fields(how, key, group, at, expires_at, attempts)
  local user, _, request_id, session_id, created_at, expires_iso, url = unpack(ARGV, at, at + 6)
  return how('HSET', key, 'status', 'ready', 'status', 'ready', 'status', 'ready', 'status', 'ready',
    'endUserId', user, 'sessionId', session_id, 'createdAt', created_at, 'expiresAt', expires_iso,
    'expiresAtMs', expires_at, 'redirectUrl', group.redirect_url, 'linkExpiryMins', group.mins, 'ref', group.ref,
    'attempts', attempts, 'requestId', request_id, 'updatedAtMs', shared_digits[now_ms], 'authFlowUrl', url)
end

-- Most users have nothing there: that it was so is known by the fields that are new. What was there goes whole.
local function write_ready(group, at, expires_at, attempts)
  local key = session_key(ARGV[at])
  if write_fields(pcall_redis, key, group, at, expires_at, attempts) ~= READY_FIELDS then
    call('DEL', key)
    write_fields(call, key, group, at, expires_at, attempts)
  end
  call('PEXPIREAT', key, expires_at)
end

-- lease -> user -> record, of all items; false: there is none, or it is taken, for one is taken once.
local records = {}

-- What an outcome other than a link needs, made when the first of them comes.
local others

-- A number from an item by its word; false if it is none, or none of ours.
local naturals = setmetatable({}, { __index = function(known, word)
  local number = tonumber(word)
  number = number and number >= 0 and number < HUGE and number or false
  known[word] = number
  return number
end })

local function others_of()
  others = others or settle_others({ settings = settings, holds = holds, inflight = INFLIGHT, delayed = DELAYED,
    streams = STREAMS, records = records, bounded_life = bounded_life, write_ready = write_ready, naturals = naturals })
  return others
end

local created = 0   -- of this call

local function settle_created(job_key, attempts_before, group, at, expires_ms)
  created = created + 1
  local expires_at, attempts = shared_digits[expires_ms], shared_digits[attempts_before + 1]
  write_ready(group, at, expires_at, attempts)
  write_event(EVENTS, events_keep_ms, 'type', 'ready', 'jobKey', job_key, 'endUserId', ARGV[at],
    'ref', group.ref, 'sessionId', ARGV[at + 3], 'expiresAtMs', expires_at, 'attempts', attempts)
end

local ACCEPTED = { ['1'] = true, ['0'] = false }

-- What a group's items have in common. accepted: nil when the pace is not told. are_links: of sound ones only.
local function read_group(at)
  local count_word, lease, meaning, key_fp, mins, redirect_url, ref, reset, span = unpack(ARGV, at, at + GROUP_WORDS - 1)
  local kind, signal, accepted = match(meaning, '^(%l[%l_]*) (%l+) ([10-])$')
  local group = { first = at + GROUP_WORDS, last = at + GROUP_WORDS + (tonumber(count_word) - 1) * ITEM_WORDS, lease = lease,
    kind = kind, signal = signal, accepted = ACCEPTED[accepted], key_fp = key_fp, mins = mins, redirect_url = redirect_url,
    ref = ref, reset_ms = naturals[reset], span_ms = naturals[span] }
  group.is_sound = naturals[mins] and group.reset_ms and group.span_ms
    and (kind == 'created' and signal == 'ok' or others_of().is_known(kind, signal))
  group.are_links = kind == 'created' and group.is_sound
  group.life_ms = group.are_links and bounded_life(group.span_ms, naturals[mins])
  return group
end

local groups = {}
for i, at in ipairs(group_places) do
  groups[i] = read_group(at)
end

-- Lease by lease.
local function read_records()
  local users_of = {}
  for _, group in ipairs(groups) do
    local users = users_of[group.lease] or {}
    users_of[group.lease] = users
    local n = #users
    for at = group.first, group.last, ITEM_WORDS do
      n = n + 1
      users[n] = ARGV[at]
    end
  end
  for lease, users in pairs(users_of) do
    local found, of_lease = call('HMGET', lease_key(lease), unpack(users)), {}
    for i, user in ipairs(users) do
      of_lease[user] = found[i]
    end
    records[lease] = of_lease
  end
end

read_records()
local fenced, settled_of = {}, {}      -- users; lease -> users whose jobs this call has settled
local answers, answer_count = {}, 0    -- as pace_answers.lua takes them

local feed_holds   -- of settle_holds.lua

-- What the holds learn of this answer.
local function tell_holds(group, at, item, job_key)
  feed_holds = feed_holds or settle_holds({ settings = settings, holds = holds, memory = memory, key = HOLDS,
    limiter = LIMITER, note_worked = note_worked })
  feed_holds(item or others_of().named(group, at), job_key)
end

-- The same of a link. While there are no holds it only tells that the API works, and one of its group tells that for all.
local function tell_holds_of_link(group, at, job_key)
  if next(holds) ~= nil then
    tell_holds(group, at, nil, job_key)
  elseif not group.has_told then
    group.has_told = true
    if memory.failures > 0 then
      memory.failures, memory.jobs = 0, {}
    end
    memory.last_ok_ms = now_ms
    note_worked(group.key_fp)
  end
end

local function tell_pace(answer)
  answer_count = answer_count + 1
  answers[answer_count] = answer
end

-- Whatever is no link, or one that waited so long for this settle that it is over: that is asked for again.
local function settle_other(group, at, record, job_key)
  local job = from_record(record)
  if not job then
    dead_letters().bury_foreign(STREAMS, settings.eventsKeepMs, next_job_key(STATS), record)
    return
  end
  local item = others_of().named(group, at)
  others_of().settle(job, item)
  if item.accepted ~= nil then
    tell_pace({ slotUs = job.slot_us, accepted = item.accepted, retryAfterMs = item.retryAfterMs, resetMs = item.resetMs })
  end
  tell_holds(group, at, item, job_key)
end

local function settle_one(group, at, record)
  local job_key, attempts, slot_us = outline_of(record)
  local age_ms = group.are_links and naturals[ARGV[at + 1]]
  local expires_ms = age_ms and now_ms - age_ms + group.life_ms
  if not (job_key and expires_ms and expires_ms > now_ms) then
    settle_other(group, at, record, job_key)
    return
  end
  settle_created(job_key, attempts, group, at, expires_ms)
  if group.accepted and group.reset_ms == 0 then
    tell_pace(slot_us)
  elseif group.accepted ~= nil then
    tell_pace({ slotUs = slot_us, accepted = group.accepted, retryAfterMs = 0, resetMs = group.reset_ms })
  end
  tell_holds_of_link(group, at, job_key)
end

local function settle_group(group)
  local of_lease, users = records[group.lease], settled_of[group.lease] or {}
  settled_of[group.lease] = users
  local n = #users
  for at = group.first, group.last, ITEM_WORDS do
    local user = ARGV[at]
    local record = of_lease[user]
    if record then
      of_lease[user] = false
      n = n + 1
      users[n] = user
      settle_one(group, at, record)
    else
      fenced[#fenced + 1] = user
      others_of().settle_fenced(group, at)
    end
  end
end

-- The users among these whom the index has in this lease.
local function indexed_in(lease, users)
  local indexed = {}
  for i, holder in ipairs(call('HMGET', INFLIGHT, unpack(users))) do
    if holder == lease then
      indexed[#indexed + 1] = users[i]
    end
  end
  return indexed
end

-- The old places: the lease, the index, and the lease's deadline when nothing is left in it.
local function clear_settled(lease, users)
  local indexed = indexed_in(lease, users)
  call('HDEL', lease_key(lease), unpack(users))
  if call('EXISTS', lease_key(lease)) == 0 then
    call('ZREM', LEASES, lease)
  end
  if #indexed > 0 then
    call('HDEL', INFLIGHT, unpack(indexed))
  end
end

for _, group in ipairs(groups) do
  settle_group(group)
end
for lease, users in pairs(settled_of) do
  if #users > 0 then
    clear_settled(lease, users)
  end
end

pace.advance(limiter, now_us)
pace.learn(limiter, now_us, answers)
row = memory.failures > 0 and digits(memory.failures) .. ' ' .. table.concat(memory.jobs, ',') or NO_ROW
store_pace(LIMITER, limiter, 'row', row, 'lastOkMs', shared_digits[memory.last_ok_ms])
if created > 0 then
  count('attempts', created)
  count('ready', created)
  redis.call('HSET', STATS, 'lastReadyMs', shared_digits[now_ms])
end
write_counters(STATS)
redis.call('SET', SETTLED, ARGV[2], 'PX', SETTLED_TTL_MS)
return { now_ms, 'done', fenced, holds_reply(holds) }
