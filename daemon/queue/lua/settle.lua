-- step flags=allow-oom needs=rights,common,pace,pace_headers,pace_learn,holds
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
        item: lease endUserId kind signal keyFp ageMs delayMs retryAfterMs resetMs lifeMs accepted sessionId authFlowUrl
        createdAt expiresAt requestId httpStatus errorCode detail redirectUrl linkExpiryMins ref; what is absent is
        empty. ageMs: since the request began. accepted: absent when the pace is not to be told. resetMs: how long
        nothing is left of the API's limit, as its headers say.

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
local LATE_MAX_AGE_MS = 1800000
local LIFE_SLACK_MS = 300000
local MAX_DELAY_MS = 600000
local OUTAGE_ROW, OUTAGE_JOBS = 5, 3
local UNKNOWN_ROW = 20

local function lease_key(name)
  return PREFIX .. ':lease:' .. name
end

-- What is read before the first write; what follows goes by it. TYPE is asked only of the keys that are not read here.
local holds, limiter, row, last_ok, settled_before

local function read_first()
  settled_before = tonumber(call('GET', SETTLED) or '') or 0
  holds = load_holds(HOLDS)
  limiter, row, last_ok = load_pace(LIMITER, 'row', 'lastOkMs')
end

local function why_unread()
  return missing_right({ [SETTLED] = { 'GET' }, [HOLDS] = { 'HGETALL' }, [LIMITER] = { 'HMGET' } })
    or wrong_type({ [SETTLED] = 'string', [HOLDS] = 'hash', [LIMITER] = 'hash' })
end

local refused = missing_right({
  [LEASES] = { 'ZREM' }, [INFLIGHT] = { 'HMGET', 'HDEL' }, [DELAYED] = { 'ZADD' },
  [LIMITER] = { 'HEXISTS', 'HINCRBY', 'HSETNX', 'HSET', 'HDEL' }, [HOLDS] = { 'HSET', 'HDEL' },
  [EVENTS] = { 'XADD' }, [DEAD] = { 'XADD' }, [STATS] = { 'HINCRBY', 'HSET' }, [SETTLED] = { 'SET' },
  [lease_key('*')] = { 'HMGET', 'HEXISTS', 'EXISTS', 'HDEL' },
  [session_key('*')] = { 'HMGET', 'DEL', 'HSET', 'PEXPIRE', 'PEXPIREAT' },
}) or refusal_of(read_first, why_unread) or wrong_type({ [LEASES] = 'zset', [INFLIGHT] = 'hash', [DELAYED] = 'zset',
  [EVENTS] = 'stream', [DEAD] = 'stream', [STATS] = 'hash' })
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

local function remember_failure(job_key)
  memory.failures = memory.failures + 1
  for _, known in ipairs(memory.jobs) do
    if known == job_key then
      return
    end
  end
  if #memory.jobs < OUTAGE_JOBS then
    memory.jobs[#memory.jobs + 1] = job_key
  end
end

local function clear_row()
  memory.failures, memory.jobs = 0, {}
end

local function raise(cause, detail)
  if holds[cause] then
    return
  end
  local backoff_ms = settings.holdBackoffMinMs
  holds[cause] = { since_ms = now_ms, until_ms = 0, next_ms = now_ms + backoff_ms, backoff_ms = backoff_ms, probe = '-',
    detail = detail }
  store_hold(HOLDS, cause, holds[cause])
end

local function lift(cause)
  holds[cause] = nil
  redis.call('HDEL', HOLDS, cause)
end

local function back_off(hold, doubled)
  if doubled then
    hold.backoff_ms = math.min(2 * hold.backoff_ms, settings.holdBackoffMaxMs)
  end
  hold.next_ms = now_ms + hold.backoff_ms
end

-- What a probe's answer does to each of its holds: only a probe lifts.
local PROBED = {
  ok = { outage = 'lift', account = 'lift' },
  own = { outage = 'lift', account = 'lift' },
  missing = { outage = 'lift', account = 'lift' },
  account = { outage = 'lift', account = 'double' },
  down = { outage = 'double', account = 'wait' },
  none = { outage = 'now', account = 'now' },
  throttled = { outage = 'now', account = 'now' },
}

local function answer_probe(item)
  for cause, hold in pairs(holds) do
    if hold.probe == item.lease then
      local verdict = PROBED[item.signal][hold_kind(cause)]
      hold.probe = '-'
      if verdict == 'lift' then
        lift(cause)
      else
        if verdict == 'now' then
          hold.next_ms = now_ms
        else
          back_off(hold, verdict == 'double')
        end
        store_hold(HOLDS, cause, hold)
      end
    end
  end
end

local function count_missing(item)
  if redis.call('HEXISTS', LIMITER, 'worked:' .. item.keyFp) == 1 then
    return
  end
  if redis.call('HINCRBY', LIMITER, 'missing:' .. item.keyFp, 1) >= UNKNOWN_ROW then
    raise('unknown_users:' .. item.keyFp, UNKNOWN_ROW .. ' end users in a row are unknown to the API and none was known: '
      .. 'probably the keys of another project')
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

local function feed_holds(item, job_key)
  local signal = item.signal
  if signal == 'ok' or signal == 'own' or signal == 'missing' or signal == 'account' then
    clear_row()
  end
  if signal == 'ok' then
    memory.last_ok_ms = now_ms
    note_worked(item.keyFp)
  end
  answer_probe(item)
  if signal == 'down' then
    remember_failure(job_key)
    if memory.failures >= OUTAGE_ROW and #memory.jobs >= OUTAGE_JOBS
      and now_ms - memory.last_ok_ms >= settings.outageQuietMs then
      raise('outage', item.detail)
    end
  elseif signal == 'account' then
    raise('account:' .. item.keyFp, item.detail)
  elseif signal == 'missing' then
    count_missing(item)
  end
end

local function life_of(item)
  return math.min(item.lifeMs, item.linkExpiryMins * 60000 + LIFE_SLACK_MS)
end

local function write_ready(item, expires_at, attempts)
  local key = session_key(item.endUserId)
  redis.call('DEL', key)
  -- SLOWLOG shows the first 31 words of a command, also of one that a script calls: the link, a credential, stands
  -- behind them, so one field is written four times.
  redis.call('HSET', key, 'status', 'ready', 'status', 'ready', 'status', 'ready', 'status', 'ready',
    'endUserId', item.endUserId, 'sessionId', item.sessionId, 'createdAt', item.createdAt, 'expiresAt', item.expiresAt,
    'expiresAtMs', expires_at, 'redirectUrl', item.redirectUrl, 'linkExpiryMins', shared_digits[item.linkExpiryMins],
    'ref', item.ref, 'attempts', attempts, 'requestId', item.requestId, 'updatedAtMs', shared_digits[now_ms],
    'authFlowUrl', item.authFlowUrl)
  redis.call('PEXPIREAT', key, expires_at)
end

-- Users whose jobs this call has settled -> lease: their entries in leases and index are cleared at its end.
local settled_in = {}

local function is_in_flight(user)
  local holder = holder_of(call('HMGET', INFLIGHT, user)[1], user)
  return holder ~= nil and settled_in[user] ~= holder
end

-- Somebody else has the job. A link that came late is kept if its user has none and is nobody's.
local function settle_fenced(item)
  count('fenced')
  local expires_ms = now_ms - item.ageMs + life_of(item)
  if item.kind == 'created' and item.ageMs < LATE_MAX_AGE_MS and expires_ms > now_ms
    and not valid_link(item.endUserId) and not is_in_flight(item.endUserId) then
    write_ready(item, digits(expires_ms), '1')
    count('late')
  end
end

local function put_off(job, delay_ms)
  redis.call('ZADD', DELAYED, digits(now_ms + clamp(delay_ms, 0, MAX_DELAY_MS)), to_record(job, 0))
end

-- A probe that finds the API still down: no job's fault, or the few jobs of a short line would be used up by it.
local function is_vain_probe(item)
  if item.signal == 'down' then
    for _, hold in pairs(holds) do
      if hold.probe == item.lease then
        return true
      end
    end
  end
  return false
end

local function retry(job, item)
  count('attempts')
  count('retried')
  if not is_vain_probe(item) then
    job.attempts = job.attempts + 1
  end
  put_off(job, item.delayMs)
end

local function finish(job, item)
  count('attempts')
  job.attempts = job.attempts + 1
  local letter = { reason = item.kind, detail = item.detail, http_status = digits(item.httpStatus),
    error_code = item.errorCode, request_id = item.requestId }
  bury(STREAMS, settings.eventsKeepMs, job, item.endUserId, item.ref, letter)
  write_failed(item.endUserId, job, item.ref, letter, settings.failedTtlMs)
end

-- One function a kind of outcome: writes the job's new place.
local SETTLE = {
  created = function(job, item)
    local expires_ms = now_ms - item.ageMs + life_of(item)
    if expires_ms <= now_ms then
      return retry(job, item)   -- it waited too long for this settle
    end
    count('attempts')
    count('ready')
    local expires_at, attempts = digits(expires_ms), shared_digits[job.attempts + 1]
    write_ready(item, expires_at, attempts)
    memory.last_ready_ms = now_ms
    write_event(EVENTS, settings.eventsKeepMs, 'type', 'ready', 'jobKey', shown_key(job.key), 'endUserId', item.endUserId,
      'ref', item.ref, 'sessionId', item.sessionId, 'expiresAtMs', expires_at, 'attempts', attempts)
  end,
  retry = retry,
  throttled = function(job, item)
    count('throttled')
    put_off(job, item.delayMs)
  end,
  account_error = function(job, item)
    put_off(job, item.delayMs)
  end,
  unsent = function(job, item)
    count('unsent')
    put_off(job, item.delayMs)
  end,
  returned = function(job)
    count('returned')
    put_off(job, 0)
  end,
  rejected = finish,
  gave_up = finish,
}

-- What is absent is empty.
local FILLED = { __index = { lease = '', endUserId = '', keyFp = '', sessionId = '', authFlowUrl = '', createdAt = '',
  expiresAt = '', requestId = '', errorCode = '', detail = '', redirectUrl = '', ref = '', kind = '', signal = '',
  ageMs = 0, delayMs = 0, retryAfterMs = 0, resetMs = 0, lifeMs = 0, httpStatus = 0, linkExpiryMins = 0 } }

local HUGE = 1e15

--[[
Fills what is absent. Raises or returns false if the item would fail half way. Lua itself proves the types:
only numbers compare with a number, only texts with a text; that costs a fifth of asking for each type.
]]
local function complete(item)
  setmetatable(item, FILLED)
  local _ = item.lease < '' or item.endUserId < '' or item.keyFp < '' or item.sessionId < '' or item.authFlowUrl < ''
    or item.createdAt < '' or item.expiresAt < '' or item.requestId < '' or item.errorCode < '' or item.detail < ''
    or item.redirectUrl < '' or item.ref < ''
  return item.ageMs < HUGE and item.delayMs < HUGE and item.retryAfterMs < HUGE and item.resetMs < HUGE
    and item.lifeMs < HUGE and item.httpStatus < HUGE and item.linkExpiryMins < HUGE
    and SETTLE[item.kind] and PROBED[item.signal]
end

--[[
The item, or what stands for it if it is unsound: to refuse the call would refuse all of it at every repetition.
Its job is buried, for a person to see; if not even its place can be read, it is left to the reaper as a stray.
]]
local function sound(item, i)
  local fine, is_sound = pcall(complete, item)
  if fine and is_sound then
    return item
  end
  if type(item) == 'table' and type(item.lease) == 'string' and type(item.endUserId) == 'string' then
    return setmetatable({ lease = item.lease, endUserId = item.endUserId, kind = 'gave_up', signal = 'none',
      detail = 'item ' .. i .. ' of a settle was unsound: a fault of authlinkd' }, FILLED)
  end
end

local items = {}
for i, item in ipairs(cjson.decode(ARGV[4]).items) do
  items[#items + 1] = sound(item, i)
end

-- The records of all items, read lease by lease: lease -> user -> record. A record is taken once.
local function read_records()
  local users, records = {}, {}
  for _, item in ipairs(items) do
    users[item.lease] = users[item.lease] or {}
    table.insert(users[item.lease], item.endUserId)
  end
  for lease, ids in pairs(users) do
    local found = redis.call('HMGET', lease_key(lease), unpack(ids))
    records[lease] = {}
    for i, user in ipairs(ids) do
      records[lease][user] = found[i]
    end
  end
  return records
end

local records = read_records()
local fenced, learned, settled = {}, {}, {}

local function settle_one(item)
  local record = records[item.lease][item.endUserId]
  if not record then
    fenced[#fenced + 1] = item.endUserId
    settle_fenced(item)
    return
  end
  records[item.lease][item.endUserId] = nil
  settled[#settled + 1] = item
  settled_in[item.endUserId] = item.lease
  local job = from_record(record)
  if not job then
    bury_foreign(STREAMS, settings.eventsKeepMs, next_job_key(STATS), record)
    return
  end
  SETTLE[item.kind](job, item)
  if item.accepted ~= nil then
    item.slotUs = job.slot_us
    learned[#learned + 1] = item
  end
  feed_holds(item, job.key)
end

-- The old places: leases, the index, and leases that are empty now.
local function clear_settled()
  local users, of_lease, indexed = {}, {}, {}
  for i, item in ipairs(settled) do
    users[i] = item.endUserId
    of_lease[item.lease] = of_lease[item.lease] or {}
    table.insert(of_lease[item.lease], item.endUserId)
  end
  for i, holder in ipairs(redis.call('HMGET', INFLIGHT, unpack(users))) do
    if holder == settled[i].lease then
      indexed[#indexed + 1] = users[i]
    end
  end
  for lease, ids in pairs(of_lease) do
    redis.call('HDEL', lease_key(lease), unpack(ids))
    if redis.call('EXISTS', lease_key(lease)) == 0 then
      redis.call('ZREM', LEASES, lease)
    end
  end
  if #indexed > 0 then
    redis.call('HDEL', INFLIGHT, unpack(indexed))
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
