--[[
hold_rules.lua - what goes by the cause of a hold. Most calls meet none, so a step has this as a function, which makes what
it needs when it is called. Returns a table of functions.
]]
local rules = {}

function rules.kind(cause)
  return string.match(cause, '^[%a_]+')
end

function rules.is_probed(cause)
  local kind = rules.kind(cause)
  return kind == 'outage' or kind == 'account'
end

function rules.store(key, cause, hold)
  redis.call('HSET', key, cause, table.concat({ digits(hold.since_ms), digits(hold.until_ms), digits(hold.next_ms),
    digits(hold.backoff_ms), hold.probe, hold.detail }, ' '))
end

-- ms until something about this hold changes by itself; -1: nothing will.
function rules.change_in(cause, hold)
  if rules.is_probed(cause) then
    return math.max(0, hold.next_ms - now_ms)
  end
  return hold.until_ms > 0 and math.max(0, hold.until_ms - now_ms) or -1
end

return rules
