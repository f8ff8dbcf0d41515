-- step flags=allow-oom needs=rights,common,entries
--[[
remove.lua - dead letters that nobody wants any more.

KEYS  1 dead  2 stats   ARGV  1 prefix  2... IDs of letters, at most 256
Returns  {nowMs, letters removed}
Caller   daemon/ctl
]]
local refused = lacks('XDEL', KEYS[1], '1-1')
  or lacks('HINCRBY', KEYS[2], 'field', '1')
  or wrong_type(KEYS[1], 'stream') or wrong_type(KEYS[2], 'hash')
if refused then
  return refused
end
for i = 2, #ARGV do
  if is_entry_id(ARGV[i]) and redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
    count('removed')
  end
end
write_counters(KEYS[2])
return { now_ms, counters.removed or 0 }
