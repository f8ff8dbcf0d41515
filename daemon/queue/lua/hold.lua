-- step flags=allow-oom needs=rights,common,(hold_rules),holds
--[[
hold.lua - what an operator asks of the holds.

KEYS  1 holds  2 limiter
ARGV  1 prefix  2 'pause' | 'resume' | 'resume_account'  3 ms that a pause lasts, 0: until resumed  4 detail of a pause

`resume` lifts a pause; `resume_account` lifts every hold of unknown users and of accounts, and lets those keys
count as having worked. Returns {nowMs, {causes that were begun or lifted}}.
Errors   "ERR authlink ...", "NOPERM authlink ..."; nothing written
Caller   daemon/ctl
]]
local HOLDS, LIMITER = unpack(KEYS)
local action, lasts_ms, detail = ARGV[2], tonumber(ARGV[3] or '0') or 0, ARGV[4] or ''

local refused = lacks('HGETALL', HOLDS) or lacks('HSET', HOLDS, 'field', 'value') or lacks('HDEL', HOLDS, 'field')
  or lacks('HSET', LIMITER, 'field', 'value') or lacks('HDEL', LIMITER, 'field')
  or wrong_type(HOLDS, 'hash') or wrong_type(LIMITER, 'hash')
if refused then
  return refused
end

local holds, changed = load_holds(HOLDS), {}

if action == 'pause' then
  local until_ms = lasts_ms > 0 and now_ms + lasts_ms or 0
  hold_rules().store(HOLDS, 'pause', { since_ms = now_ms, until_ms = until_ms, next_ms = 0, backoff_ms = 0, probe = '-', detail = detail })
  changed[1] = 'pause'
elseif action == 'resume' or action == 'resume_account' then
  for cause in pairs(holds) do
    local kind, key_fp = string.match(cause, '^([%a_]+):?(.*)$')
    local meant = action == 'resume' and kind == 'pause' or action == 'resume_account' and key_fp ~= ''
    if meant then
      redis.call('HDEL', HOLDS, cause)
      changed[#changed + 1] = cause
      if kind == 'unknown_users' then
        redis.call('HSET', LIMITER, 'worked:' .. key_fp, digits(now_ms))
        redis.call('HDEL', LIMITER, 'missing:' .. key_fp)
      end
    end
  end
else
  return redis.error_reply('ERR authlink hold: unknown action')
end
return { now_ms, changed }
