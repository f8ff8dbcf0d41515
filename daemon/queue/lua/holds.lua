--[[
holds.lua - causes for which no instance may claim, as claim, settle and hold.lua keep them in :holds.

Form     cause -> `<sinceMs> <untilMs> <nextMs> <backoffMs> <lease of the probe, or -> <detail>`
         untilMs 0: no end of its own. nextMs: when a probe may go out; at once its deadline.
Causes   pause, outage, account:<key fingerprint>, unknown_users:<key fingerprint>
]]
local function hold_kind(cause)
  return string.match(cause, '^[%a_]+')
end

local function is_probed(cause)
  local kind = hold_kind(cause)
  return kind == 'outage' or kind == 'account'
end

local FARTHEST_PROBE_MS = 600000   -- no back-off and no lease is longer: the clock of Redis went back

local function load_holds(key)
  local found, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local since, till, next_ms, backoff, probe, detail = string.match(flat[i + 1], '^(%d+) (%d+) (%d+) (%d+) (%S+) (.*)$')
    if since then
      next_ms = tonumber(next_ms)
      found[flat[i]] = { since_ms = tonumber(since), until_ms = tonumber(till), probe = probe, detail = detail,
        next_ms = next_ms > now_ms + FARTHEST_PROBE_MS and now_ms or next_ms, backoff_ms = tonumber(backoff) }
    end
  end
  return found
end

local function store_hold(key, cause, hold)
  redis.call('HSET', key, cause, table.concat({ digits(hold.since_ms), digits(hold.until_ms), digits(hold.next_ms),
    digits(hold.backoff_ms), hold.probe, hold.detail }, ' '))
end

-- ms until something about this hold changes by itself; -1: nothing will.
local function hold_change_in(cause, hold)
  if is_probed(cause) then
    return math.max(0, hold.next_ms - now_ms)
  end
  return hold.until_ms > 0 and math.max(0, hold.until_ms - now_ms) or -1
end

-- {cause, ms until its next change or -1, detail, ...} of all holds, in the order of their names.
local function holds_reply(holds)
  local causes, flat = {}, {}
  for cause in pairs(holds) do
    causes[#causes + 1] = cause
  end
  table.sort(causes)
  for _, cause in ipairs(causes) do
    flat[#flat + 1] = cause
    flat[#flat + 1] = hold_change_in(cause, holds[cause])
    flat[#flat + 1] = holds[cause].detail
  end
  return flat
end

local stored_pace = {}   -- field -> text, as it stands in the hash

local function load_pace(key)
  local values = call('HMGET', key, unpack(pace.FIELDS))
  for i, field in ipairs(pace.FIELDS) do
    stored_pace[field] = values[i]
  end
  return pace.load(values)
end

-- Writes what has changed.
local function store_pace(key, state)
  local fields, changed = pace.fields(state), {}
  for i = 1, #fields, 2 do
    if stored_pace[fields[i]] ~= fields[i + 1] then
      changed[#changed + 1], changed[#changed + 2] = fields[i], fields[i + 1]
    end
  end
  if #changed > 0 then
    call('HSET', key, unpack(changed))
  end
end

-- "perSec burst maxPerSec pace": what the fleet goes by now.
local function rate_reply(state)
  return table.concat({ exact(state.per_sec), exact(state.burst), exact(state.max_per_sec), exact(state.pace) }, ' ')
end
