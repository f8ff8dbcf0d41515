--[[
holds.lua - causes for which no instance may claim, as claim, settle and hold.lua keep them in :holds.

Form     cause -> `<sinceMs> <untilMs> <nextMs> <backoffMs> <lease of the probe, or -> <detail>`
         untilMs 0: no end of its own. nextMs: when a probe may go out; at once its deadline.
Causes   pause, outage, account:<key fingerprint>, unknown_users:<key fingerprint>
]]
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

-- {cause, ms until its next change or -1, detail, ...} of all holds, in the order of their names.
local function holds_reply(holds)
  local causes, flat = {}, {}
  for cause in pairs(holds) do
    causes[#causes + 1] = cause
  end
  if #causes == 0 then
    return flat
  end
  local rules = hold_rules()
  table.sort(causes)
  for _, cause in ipairs(causes) do
    flat[#flat + 1] = cause
    flat[#flat + 1] = rules.change_in(cause, holds[cause])
    flat[#flat + 1] = holds[cause].detail
  end
  return flat
end
