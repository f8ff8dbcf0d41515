-- step flags=no-writes needs=rights,common
--[[
audit.lua - all the numbers of the conservation law, in one atomic read.

  taken + redriven = ready + reused + dead + delayed now + in leases now;  dead = redriven + removed + letters

KEYS  1 queue  2 delayed  3 leases  4 inflight  5 dead  6 stats   ARGV  1 prefix
Returns  {nowMs, queue, delayed, leases, jobs in leases, inflight, letters, {counter, value, ...}, head of the queue,
          head of delayed}; a head without end would not go through the connection: '' is too long for a job
Cost     O(leases)
Caller   daemon/ctl
]]
local QUEUE, DELAYED, LEASES, INFLIGHT, DEAD, STATS = unpack(KEYS)

local LONGEST_HEAD = 8192   -- a job has 4,096 bytes at most, and its record a little more

local refused = lacks('LLEN', QUEUE) or lacks('LRANGE', QUEUE, '0', '0')
  or lacks('ZCARD', DELAYED) or lacks('ZRANGE', DELAYED, '0', '0')
  or lacks('ZRANGE', LEASES, '0', '0')
  or lacks('HLEN', INFLIGHT)
  or lacks('XLEN', DEAD)
  or lacks('HGETALL', STATS)
  or lacks('HLEN', PREFIX .. ':lease:*')
  or wrong_type(QUEUE, 'list') or wrong_type(DELAYED, 'zset') or wrong_type(LEASES, 'zset') or wrong_type(INFLIGHT, 'hash')
  or wrong_type(DEAD, 'stream') or wrong_type(STATS, 'hash')
if refused then
  return refused
end

local leases, in_leases = redis.call('ZRANGE', LEASES, 0, -1), 0
for _, lease in ipairs(leases) do
  local held = redis.pcall('HLEN', PREFIX .. ':lease:' .. lease)
  in_leases = in_leases + (type(held) == 'number' and held or 0)
end

local function shown_head(elements)
  local head = elements[1] or ''
  return #head <= LONGEST_HEAD and head or ''
end

return { now_ms, redis.call('LLEN', QUEUE), redis.call('ZCARD', DELAYED), #leases, in_leases, redis.call('HLEN', INFLIGHT),
  redis.call('XLEN', DEAD), redis.call('HGETALL', STATS), shown_head(redis.call('LRANGE', QUEUE, 0, 0)),
  shown_head(redis.call('ZRANGE', DELAYED, 0, 0)) }
