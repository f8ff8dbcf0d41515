--[[
claim_holds.lua - what holds allow of a claim. Most claims meet none, so claim.lua has this as a function, which makes what it
needs when it is called.

step     holds (cause -> what is known), key (of the holds), key_fp, lease, lease_ms
Returns  a table of functions
forbidding()   the cause that forbids this claim, and the ms until that may change; nil: at most a probe's worth is allowed
is_probing()   whether this claim is a probe's
note_probe()   writes that the lease is the probe
]]
local step = ...
local holds, rules, held = step.holds, hold_rules(), {}
local PROBE_FORGOTTEN_MS = 600000

-- The causes that bind an instance with my key. What is over goes; a probe that nobody sent for ten minutes, too.
local function find_binding()
  for cause, hold in pairs(holds) do
    local ended = hold.until_ms > 0 and hold.until_ms <= now_ms
    local forgotten = rules.is_probed(cause) and hold.next_ms + PROBE_FORGOTTEN_MS <= now_ms
    if ended or forgotten then
      redis.call('HDEL', step.key, cause)
      holds[cause] = nil
    end
  end
  local binding = {}
  for _, cause in ipairs({ 'pause', 'unknown_users:' .. step.key_fp, 'account:' .. step.key_fp, 'outage' }) do
    if holds[cause] then
      binding[#binding + 1] = cause
    end
  end
  return binding
end

local binding = find_binding()

function held.forbidding()
  local forbidding, soonest = nil, 1000
  for _, cause in ipairs(binding) do
    local hold = holds[cause]
    if not rules.is_probed(cause) or hold.next_ms > now_ms then
      forbidding = forbidding or cause
      local change = rules.change_in(cause, hold)
      if change >= 0 then
        soonest = math.min(soonest, change)
      end
    end
  end
  return forbidding, math.max(1, soonest)
end

function held.is_probing()
  return #binding > 0
end

function held.note_probe()
  for _, cause in ipairs(binding) do
    holds[cause].probe, holds[cause].next_ms = step.lease, now_ms + step.lease_ms
    rules.store(step.key, cause, holds[cause])
  end
end

return held
