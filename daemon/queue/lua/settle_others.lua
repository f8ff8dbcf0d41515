--[[
settle_others.lua - outcomes that are no link. Most settles have none, so settle.lua has this as a function, which makes what
it needs when it is called.

step     settings, holds, inflight, delayed (keys), streams, records (lease -> user -> false: none is left),
         bounded_life(life_ms, link_expiry_mins), write_ready(group, at, expires_at, attempts), naturals (of words)
Returns  a table of functions; at: where the words of an item begin in ARGV
named(group, at)           its values by their names; what stands for an unsound one
settle(job, item)          writes the job's new place
settle_fenced(group, at)   of a job that somebody else has
is_known(kind, signal)     whether there are such
]]
local step = ...
local settings, streams = step.settings, step.streams
local others = {}

local LATE_MAX_AGE_MS = 1800000
local MAX_DELAY_MS = 600000

local NUMBERS = { 'ageMs', 'linkExpiryMins', 'delayMs', 'httpStatus' }

-- Nothing, where it should be something: a fault of ours. To refuse the settle would refuse all of it at every repetition, so
-- its job is buried, for a person to see.
local function stand_in(group, at)
  return { lease = group.lease, endUserId = ARGV[at], kind = 'gave_up', signal = 'none', keyFp = '', requestId = '',
    redirectUrl = '', ref = '', errorCode = '', detail = 'an item of a settle was unsound: a fault of authlinkd',
    ageMs = 0, linkExpiryMins = 0, resetMs = 0, lifeMs = 0, delayMs = 0, retryAfterMs = 0, httpStatus = 0 }
end

-- Of a link nothing but its life is read here: settle.lua writes it from where it stands.
function others.named(group, at)
  local item = { lease = group.lease, endUserId = ARGV[at], kind = group.kind, signal = group.signal,
    accepted = group.accepted, keyFp = group.key_fp, ageMs = ARGV[at + 1], linkExpiryMins = group.mins, requestId = ARGV[at + 2],
    redirectUrl = group.redirect_url, ref = group.ref, resetMs = group.reset_ms, lifeMs = 0, retryAfterMs = 0, delayMs = '0',
    httpStatus = '0', errorCode = '', detail = '' }
  if group.are_links then
    item.lifeMs = group.span_ms
  else
    item.retryAfterMs = group.span_ms
    item.delayMs, item.httpStatus, item.errorCode, item.detail = unpack(ARGV, at + 3, at + 6)
  end
  for _, name in ipairs(NUMBERS) do
    item[name] = step.naturals[item[name]]
    if not item[name] or not group.is_sound then
      return stand_in(group, at)
    end
  end
  return item
end

local function put_off(job, delay_ms)
  redis.call('ZADD', step.delayed, digits(now_ms + clamp(delay_ms, 0, MAX_DELAY_MS)), to_record(job))
end

-- A probe that finds the API still down: no job's fault, or the few jobs of a short line would be used up by it.
local function is_vain_probe(item)
  if item.signal == 'down' then
    for _, hold in pairs(step.holds) do
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
  local letters = dead_letters()
  local letter = { reason = item.kind, detail = item.detail, http_status = digits(item.httpStatus),
    error_code = item.errorCode, request_id = item.requestId }
  letters.bury(streams, settings.eventsKeepMs, job, item.endUserId, item.ref, letter)
  letters.write_failed(item.endUserId, job, item.ref, letter, settings.failedTtlMs)
end

-- One function a kind of outcome.
local SETTLE = {
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
  created = retry,   -- a link that waited too long for its settle is over: it is asked for again
}

local SIGNALS = { ok = true, own = true, missing = true, account = true, down = true, none = true, throttled = true }

function others.settle(job, item)
  SETTLE[item.kind](job, item)
end

local function is_in_flight(user)
  local holder = holder_of(call('HMGET', step.inflight, user)[1], user)
  local of_lease = holder and step.records[holder]
  return holder ~= nil and not (of_lease and of_lease[user] == false)
end

-- A link that came late is kept if its user has none and is nobody's.
function others.settle_fenced(group, at)
  count('fenced')
  local late = others.named(group, at)
  local expires_ms = now_ms - late.ageMs + step.bounded_life(late.lifeMs, late.linkExpiryMins)
  if late.kind == 'created' and late.ageMs < LATE_MAX_AGE_MS and expires_ms > now_ms
    and not valid_link(late.endUserId) and not is_in_flight(late.endUserId) then
    step.write_ready(group, at, digits(expires_ms), '1')
    count('late')
  end
end

function others.is_known(kind, signal)
  return kind ~= nil and kind ~= 'created' and SETTLE[kind] ~= nil and SIGNALS[signal] ~= nil
end

return others
