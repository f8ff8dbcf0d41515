--[[
settle_holds.lua - what answers do to the holds: they begin some, and those of probes end them. Most settles meet none, so
settle.lua has this as a function, which makes what it needs when it is called.

step     settings, holds, memory (failures in a row, the jobs that failed, when the last link came), key of the holds,
         limiter (its key), note_worked(key_fp)
Returns  feed(item, job_key)
]]
local step = ...
local settings, holds, memory, HOLDS, LIMITER = step.settings, step.holds, step.memory, step.key, step.limiter
local rules = hold_rules()

local OUTAGE_ROW, OUTAGE_JOBS = 5, 3
local UNKNOWN_ROW = 20

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

local function raise(cause, detail)
  if holds[cause] then
    return
  end
  local backoff_ms = settings.holdBackoffMinMs
  holds[cause] = { since_ms = now_ms, until_ms = 0, next_ms = now_ms + backoff_ms, backoff_ms = backoff_ms, probe = '-',
    detail = detail }
  rules.store(HOLDS, cause, holds[cause])
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
      local verdict = PROBED[item.signal][rules.kind(cause)]
      hold.probe = '-'
      if verdict == 'lift' then
        lift(cause)
      else
        if verdict == 'now' then
          hold.next_ms = now_ms
        else
          back_off(hold, verdict == 'double')
        end
        rules.store(HOLDS, cause, hold)
      end
    end
  end
end

local function count_missing(key_fp)
  if redis.call('HEXISTS', LIMITER, 'worked:' .. key_fp) == 1 then
    return
  end
  if redis.call('HINCRBY', LIMITER, 'missing:' .. key_fp, 1) >= UNKNOWN_ROW then
    raise('unknown_users:' .. key_fp, UNKNOWN_ROW .. ' end users in a row are unknown to the API and none was known: '
      .. 'probably the keys of another project')
  end
end

return function(item, job_key)
  local signal, key_fp, detail = item.signal, item.keyFp, item.detail
  if signal == 'ok' or signal == 'own' or signal == 'missing' or signal == 'account' then
    memory.failures, memory.jobs = 0, {}
  end
  if signal == 'ok' then
    memory.last_ok_ms = now_ms
    step.note_worked(key_fp)
  end
  answer_probe(item)
  if signal == 'down' then
    remember_failure(job_key)
    if memory.failures >= OUTAGE_ROW and #memory.jobs >= OUTAGE_JOBS
      and now_ms - memory.last_ok_ms >= settings.outageQuietMs then
      raise('outage', detail)
    end
  elseif signal == 'account' then
    raise('account:' .. key_fp, detail)
  elseif signal == 'missing' then
    count_missing(key_fp)
  end
end
