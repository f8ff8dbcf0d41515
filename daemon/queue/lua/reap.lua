-- step flags=allow-oom needs=rights,common,(dead_letters),job_id,(job_object),jobs
--[[
reap.lua - give the jobs of leases that are over back to :delayed.

Idempotent: it works on names and deadlines only. At most four leases a call; `more` says that some are left.

KEYS  1 leases    zset, lease -> deadline ms     4 dead    stream
      2 inflight  hash, user -> lease            5 events  stream
      3 delayed   zset, record -> due, Unix ms   6 stats   hash
ARGV  1 prefix  2 owner  3 boot  4 foreign (0|1: leases of others past their deadline, too)  5 settings (JSON)
      6... leases of this owner that are nobody's: strays of this boot, or of a process that is dead

Returns  {nowMs, more 0|1, ms until the next delayed job is due or -1, {lease, ms to its deadline, ...} of this
          owner, jobs recovered by this call}
Errors   "ERR authlink ...", "NOPERM authlink ..."; nothing written
Cost     O(jobs given back * log(delayed)), at most 1,024 jobs
Needs    Redis 7.0 (script flags). Keys share one hash slot.
Caller   daemon/queue/reap.c
]]
local LEASES, INFLIGHT, DELAYED, DEAD, EVENTS, STATS = unpack(KEYS)
local owner, boot = ARGV[2] .. '/', ARGV[3]
local my_boot = owner .. boot .. '/'
local settings = settings_in(ARGV[5])
local STREAMS = { events = EVENTS, dead = DEAD }

local MAX_LEASES = 4
local FARTHEST_MS = 1200000   -- no deadline and no delay of ours is longer
local MAX_RECOVERY_WAIT_MS = 60000
local MAX_APART_MS = 1000

local ALL_LEASES, ALL_SESSIONS = PREFIX .. ':lease:*', session_key('*')

local refused = lacks('ZRANGE', LEASES, '0', '0') or lacks('ZADD', LEASES, '1', 'member') or lacks('ZREM', LEASES, 'member')
  or lacks('HGET', INFLIGHT, 'field') or lacks('HDEL', INFLIGHT, 'field')
  or lacks('ZRANGE', DELAYED, '0', '0') or lacks('ZADD', DELAYED, '1', 'member')
  or lacks('XADD', DEAD, '*', 'field', 'value')
  or lacks('XADD', EVENTS, '*', 'field', 'value')
  or lacks('HINCRBY', STATS, 'field', '1')
  or lacks('HGETALL', ALL_LEASES) or lacks('UNLINK', ALL_LEASES)
  or lacks('HGET', ALL_SESSIONS, 'field') or lacks('HMGET', ALL_SESSIONS, 'field')
  or lacks('DEL', ALL_SESSIONS)
  or lacks('HSET', ALL_SESSIONS, 'field', 'value') or lacks('PEXPIRE', ALL_SESSIONS, '1')
  or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash') or wrong_type(DELAYED, 'zset') or wrong_type(DEAD, 'stream')
  or wrong_type(EVENTS, 'stream') or wrong_type(STATS, 'hash')
if refused then
  return refused
end

-- The clock of Redis went back: what lies too far ahead is brought near.
local function bring_near(key)
  local far = redis.call('ZRANGE', key, '(' .. digits(now_ms + FARTHEST_MS), '+inf', 'BYSCORE', 'LIMIT', 0, 1024)
  for _, member in ipairs(far) do
    redis.call('ZADD', key, digits(now_ms + FARTHEST_MS), member)
  end
end

--[[
How long a job waits that was given back so often. From the second time on the jobs of one lease, `place`
tells them apart, also wait apart, farther each time: if one of them ends every process that sends it, the
others get their answers before it is sent again. Of jobs that come back together it would take all into
the grave.
]]
local function recovery_wait_ms(recoveries, place)
  if recoveries < 2 then
    return 0
  end
  local wait_ms = math.min(1000 * 2 ^ math.min(recoveries - 2, 20), MAX_RECOVERY_WAIT_MS)
  return wait_ms + place * math.min(wait_ms / 10, MAX_APART_MS)
end

local recovered = 0

-- `counts`: the slot had come, so the job may have been sent when its process ended.
local function give_back_job(user, job, place, counts)
  if counts then
    job.recoveries = job.recoveries + 1
    recovered = recovered + 1
    count('recovered')
  end
  if job.recoveries <= settings.maxRecoveries then
    redis.call('ZADD', DELAYED, digits(now_ms + recovery_wait_ms(job.recoveries, place)), to_record(job))
    return
  end
  local ref = read_job(job, settings, 0) and job.ref or ''
  local letter = { reason = 'poison', detail = 'processes ended ' .. digits(job.recoveries) .. ' times while they worked on it' }
  local letters = dead_letters()
  letters.bury(STREAMS, settings.eventsKeepMs, job, user, ref, letter)
  letters.write_failed(user, job, ref, letter, settings.failedTtlMs)
end

local given_back, more = 0, 0

-- how: 'stray' (nobody saw it), 'dead' (its process is dead), 'over' (past its deadline)
local function give_back(lease, how)
  if given_back >= MAX_LEASES then
    more = 1
    return
  end
  given_back = given_back + 1
  local key = PREFIX .. ':lease:' .. lease
  local flat = redis.call('TYPE', key).ok == 'hash' and redis.call('HGETALL', key) or {}
  local place = 0
  for i = 1, #flat, 2 do
    local user, job = flat[i], from_record(flat[i + 1])
    if job then
      give_back_job(user, job, place, how == 'over' or (how == 'dead' and job.slot_us <= now_us))
      place = job.recoveries >= 2 and place + 1 or place
    else
      dead_letters().bury_foreign(STREAMS, settings.eventsKeepMs, next_job_key(STATS), flat[i + 1])
    end
    if redis.call('HGET', INFLIGHT, user) == lease then
      redis.call('HDEL', INFLIGHT, user)
    end
  end
  redis.call('UNLINK', key)
  redis.call('ZREM', LEASES, lease)
end

local function starts_with(text, start)
  return string.sub(text, 1, #start) == start
end

bring_near(LEASES)
bring_near(DELAYED)
for i = 6, #ARGV do
  if starts_with(ARGV[i], owner) then
    give_back(ARGV[i], starts_with(ARGV[i], my_boot) and 'stray' or 'dead')
  end
end
if ARGV[4] == '1' then
  for _, lease in ipairs(redis.call('ZRANGE', LEASES, '-inf', digits(now_ms), 'BYSCORE', 'LIMIT', 0, 64)) do
    if not starts_with(lease, my_boot) then
      give_back(lease, 'over')
    end
  end
end
write_counters(STATS)

local mine, all = {}, redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  if starts_with(all[i], owner) then
    mine[#mine + 1] = all[i]
    mine[#mine + 1] = math.floor(tonumber(all[i + 1]) - now_ms)
  end
end
return { now_ms, more, next_due_in(DELAYED), mine, recovered }
