-- step flags= needs=rights,common
--[[
adopt.lua - says on purpose what project and schema this data belongs to.

KEYS  1 meta   ARGV  1 prefix  2 publishableKey  3 schema
Returns  {nowMs, schema before, publishableKey before} ('' where there was none)
Caller   daemon/ctl
]]
local refused = lacks('HMGET', KEYS[1], 'field') or lacks('HSET', KEYS[1], 'field', 'value') or wrong_type(KEYS[1], 'hash')
if refused then
  return refused
end
local before = redis.call('HMGET', KEYS[1], 'schema', 'publishableKey')
redis.call('HSET', KEYS[1], 'publishableKey', ARGV[2], 'schema', ARGV[3])
return { now_ms, before[1] or '', before[2] or '' }
