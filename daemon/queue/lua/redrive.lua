-- step flags= needs=rights,common,entries
--[[
redrive.lua - dead letters become jobs again.

KEYS  1 dead  2 delayed  3 stats   ARGV  1 prefix  2... IDs of letters, at most 256
Returns  {nowMs, {a word each: 'redriven', 'missing', or 'too_long' (the letter keeps a part of its payload only)}}
Caller   daemon/ctl
]]
local DEAD, DELAYED, STATS = unpack(KEYS)

local refused = lacks('XRANGE', DEAD, '-', '+') or lacks('XDEL', DEAD, '1-1')
  or lacks('ZADD', DELAYED, '1', 'member')
  or lacks('HINCRBY', STATS, 'field', '1')
  or wrong_type(DEAD, 'stream') or wrong_type(DELAYED, 'zset') or wrong_type(STATS, 'hash')
if refused then
  return refused
end

local function padded_key(key)
  local letter, number = string.match(key, '^(r?)0*(%d+)$')
  return letter .. string.rep('0', 16 - #letter - #number) .. number
end

local function redrive(id)
  local entry = is_entry_id(id) and redis.call('XRANGE', DEAD, id, id)[1]
  if not entry then
    return 'missing'
  end
  local letter = {}
  for i = 1, #entry[2], 2 do
    letter[entry[2][i]] = entry[2][i + 1]
  end
  if not letter.payload or (tonumber(letter.payloadBytes or '') or 0) > MAX_PAYLOAD_KEPT then
    return 'too_long'
  end
  local redriven = redis.call('HINCRBY', STATS, 'redriven', 1)
  local key = string.match(letter.jobKey or '', '^r?%d+$') or 'r' .. digits(redriven)
  local job = { key = padded_key(key), attempts = 0, recoveries = 0, first_seen_ms = now_ms, payload = letter.payload }
  redis.call('ZADD', DELAYED, digits(now_ms), to_record(job))
  redis.call('XDEL', DEAD, id)
  return 'redriven'
end

local words = {}
for i = 2, #ARGV do
  words[#words + 1] = redrive(ARGV[i])
end
return { now_ms, words }
