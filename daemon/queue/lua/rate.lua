-- step flags= needs=rights,common,pace,(pace_learned),limiter
--[[
rate.lua - the fleet's rate settings: the instance started or reloaded last sets them.

Where none of the three changes, nothing is done; else the pace starts anew, and the next slot stays where it is.

KEYS  1 limiter   ARGV  1 prefix  2 perSec  3 burst  4 maxPerSec
Returns  {nowMs, changed 0|1, 'perSec burst maxPerSec' as they were, '' if there were none}
Caller   daemon/queue/fleet.c
]]
local LIMITER = KEYS[1]
local per_sec, burst, max_per_sec = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local refused = lacks('HMGET', LIMITER, 'field') or lacks('HSET', LIMITER, 'field', 'value') or wrong_type(LIMITER, 'hash')
if refused then
  return refused
end
if not (per_sec and burst and max_per_sec) then
  return redis.error_reply('ERR authlink rate: three numbers expected')
end

local state = load_line(LIMITER)
local before = ''
if state.per_sec then
  before = string.format('%.17g %.17g %.17g', state.per_sec, state.burst, state.max_per_sec)
  if state.per_sec == per_sec and state.burst == burst and state.max_per_sec == max_per_sec then
    return { now_ms, 0, before }
  end
end
pace_learned()
pace.start(state, now_us, per_sec, burst, max_per_sec)
store_pace(LIMITER, state)
return { now_ms, 1, before }
