--[[
claim_others.lua - what a claim makes of jobs that are no new ID alone whose user has nothing yet. Many claims meet none, so
claim.lua has this as a function, which makes what it needs when it is called.

step     settings, lease, leases, delayed (keys), streams, new_key(), enter(user, record_head, record_tail, more_bytes),
         mine (users of this claim), out (of the reply)
Returns  a table of functions
read(name, text)   a text of :queue or :delayed: a job, and why it cannot be asked for if so; without a key if it should be a
                   record and is none
place(job)         writes its new place. Returns 'slot' if it got one, 'back' if a delayed one stays delayed, else 'done'.
]]
local step = ...
local settings, lease, out = step.settings, step.lease, step.out
local others = {}

local FORCE_QUIET_MS = 60000
local MIN_BUSY_WAIT_MS, MAX_BUSY_WAIT_MS = 250, 10000

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

function others.read(name, text)
  if name == 'queue' then
    return new_job(text)
  end
  local job = from_record(text)
  if not job then
    return { payload = text, record = text, is_foreign = true }
  end
  job.record = text
  return read_into(job)
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
  write_event(step.streams.events, settings.eventsKeepMs, 'type', 'reused', 'jobKey', shown_key(job.key), 'endUserId', job.user,
    'ref', job.ref, 'sessionId', link.session_id, 'expiresAtMs', digits(link.expires_ms),
    'attempts', digits(job.attempts))
end

-- The user is in flight: wait as long again as the job has waited.
local function put_off(job, holder)
  if holder ~= lease and not redis.call('ZSCORE', step.leases, holder) then
    redis.call('ZADD', step.leases, digits(now_ms), holder)   -- drifted: the next reap gives it back
  end
  local wait_ms = clamp(now_ms - job.first_seen_ms, MIN_BUSY_WAIT_MS, MAX_BUSY_WAIT_MS)
  redis.call('ZADD', step.delayed, digits(now_ms + wait_ms), to_record(job))
end

local function hand_out(job)
  local head, tail = record_around_slot(job)
  local slot_in_us, m = step.enter(job.user, head, tail, #job.redirect_url + #job.ref), #out
  out[m + 1], out[m + 2], out[m + 3], out[m + 4] = job.user, job.shown or shown_key(job.key), job.attempts, job.recoveries
  out[m + 5], out[m + 6] = math.max(0, now_ms - job.first_seen_ms), slot_in_us
  out[m + 7], out[m + 8], out[m + 9] = job.redirect_url, job.link_expiry_mins, job.ref
end

-- Ends a job that cannot be asked for.
local function refuse(job)
  local user, ref, letter = '', '', { reason = job.reason, detail = job.detail }
  local letters = dead_letters()
  if job.is_late then
    user, ref = job.user, job.ref
  end
  letters.bury(step.streams, settings.eventsKeepMs, job, user, ref, letter)
  if job.is_late then
    letters.write_failed(user, job, ref, letter, settings.failedTtlMs)
  end
end

function others.place(job)
  if job.is_foreign then
    dead_letters().bury_foreign(step.streams, settings.eventsKeepMs, step.new_key(), job.payload)
    return 'done'
  end
  if job.key == '' then
    job.key, job.shown = step.new_key()
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
  local holder = step.mine[job.user] and lease or holder_of(job.lease, job.user)
  if holder then
    put_off(job, holder)
    return 'back'
  end
  hand_out(job)
  return 'slot'
end

return others
