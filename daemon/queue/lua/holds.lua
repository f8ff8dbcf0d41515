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

local stored_line   -- of the pace, as it stands in the hash

-- The texts of the first `count` fields of the pace, and of others behind them, in one read.
local function read_limiter(key, count, ...)
  local fields, others = { unpack(pace.FIELDS, 1, count) }, { ... }
  for i = 1, #others do
    fields[count + i] = others[i]
  end
  return call('HMGET', key, unpack(fields))
end

-- The pace, and the texts of other fields.
local function load_pace(key, ...)
  local texts = read_limiter(key, #pace.FIELDS, ...)
  local state = pace.load(texts)
  stored_line = pace.line_of(state)
  return state, unpack(texts, #pace.FIELDS + 1)
end

-- Without what was learned, the last field: who hands out slots needs none of it.
local function load_line(key, ...)
  local count = #pace.FIELDS - 1
  local texts = read_limiter(key, count, ...)
  local state = pace.load_line(texts)
  stored_line = pace.line_of(state)
  return state, unpack(texts, count + 1)
end

-- Writes what has changed, and these other fields.
local function store_pace(key, state, ...)
  local fields = pace.fields(state, stored_line)
  for i = 1, select('#', ...) do
    fields[#fields + 1] = select(i, ...)
  end
  if #fields > 0 then
    call('HSET', key, unpack(fields))
  end
end

-- "perSec burst maxPerSec pace": what the fleet goes by now.
local function rate_reply(state)
  local exact = pace.exact
  return table.concat({ exact(state.per_sec), exact(state.burst), exact(state.max_per_sec), exact(state.pace) }, ' ')
end
