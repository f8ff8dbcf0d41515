--[[
settle_others.lua - outcomes that are no link. Most settles have none, so settle.lua has this as a function, which makes what
it needs when it is called.

step     settings, holds, inflight, delayed (keys), streams, settled_in, expiry_of(age_ms, life_ms, link_expiry_mins),
         write_ready(item, expires_at, attempts)
Returns  a table of functions:
settle(job, item, kind)   writes the job's new place
settle_fenced(item)       of a job that somebody else has
is_known(kind, signal)    whether there are such
stands_for(item, i)       what stands for an unsound one; nil if not even its place can be read
named(item)               its values by their names
]]
local step = ...
local settings, streams = step.settings, step.streams
local others = {}

local LATE_MAX_AGE_MS = 1800000
local MAX_DELAY_MS = 600000

local NAMES = { 'lease', 'endUserId', 'kind', 'signal', 'keyFp', 'accepted', 'ageMs', 'retryAfterMs', 'resetMs', 'lifeMs',
  'linkExpiryMins', 'sessionId', 'authFlowUrl', 'createdAt', 'expiresAt', 'requestId', 'redirectUrl', 'ref', 'delayMs',
  'httpStatus', 'errorCode', 'detail' }

function others.named(item)
  local named = {}
  for i, name in ipairs(NAMES) do
    named[name] = item[i]
  end
  return named
end

local function put_off(job, delay_ms)
  redis.call('ZADD', step.delayed, digits(now_ms + clamp(delay_ms, 0, MAX_DELAY_MS)), to_record(job, 0))
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
}

local SIGNALS = { ok = true, own = true, missing = true, account = true, down = true, none = true, throttled = true }

function others.settle(job, item, kind)
  SETTLE[kind](job, others.named(item))
end

local function is_in_flight(user)
  local holder = holder_of(call('HMGET', step.inflight, user)[1], user)
  return holder ~= nil and step.settled_in[user] ~= holder
end

-- A link that came late is kept if its user has none and is nobody's.
function others.settle_fenced(item)
  count('fenced')
  local late = others.named(item)
  local expires_ms = step.expiry_of(late.ageMs, late.lifeMs, late.linkExpiryMins)
  if late.kind == 'created' and late.ageMs < LATE_MAX_AGE_MS and expires_ms > now_ms
    and not valid_link(late.endUserId) and not is_in_flight(late.endUserId) then
    step.write_ready(item, digits(expires_ms), '1')
    count('late')
  end
end

function others.is_known(kind, signal)
  return (kind == 'created' or SETTLE[kind] ~= nil) and SIGNALS[signal]
end

function others.stands_for(item, i)
  if type(item) == 'table' and type(item[1]) == 'string' and type(item[2]) == 'string' then
    return { item[1], item[2], 'gave_up', 'none', '', cjson.null, 0, 0, 0, 0, 0, '', '', '', '', '', '', '', 0, 0, '',
      'item ' .. i .. ' of a settle was unsound: a fault of authlinkd' }
  end
end

return others
