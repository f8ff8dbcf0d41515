-- step flags= needs=rights,common
--[[
instance.lua - what an instance says of itself, and how long that counts.

A step, for a hash written by one command and given its end by the next stays for ever where the connection
dies between the two.

KEYS  1 instance   ARGV  1 prefix  2 ttlMs  3... field, value, ...
Returns  {nowMs}
Caller   daemon/queue/fleet.c
]]
local INSTANCE = KEYS[1]

local refused = lacks('HSET', INSTANCE, 'field', 'value') or lacks('PEXPIRE', INSTANCE, '1') or wrong_type(INSTANCE, 'hash')
if refused then
  return refused
end
redis.call('HSET', INSTANCE, unpack(ARGV, 3))
redis.call('PEXPIRE', INSTANCE, ARGV[2])
return { now_ms }
