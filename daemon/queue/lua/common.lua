--[[
common.lua - names, records and the writes that several steps share. Stands before every step.

Units    now_ms: Unix ms, now_us: Unix us, both of the server's clock. No other clock is read.
Record   `<jobKey> <attempts> <recoveries> <firstSeenMs> <slotUs> <payload>`: how a job is kept in
         :delayed (as member) and in a lease (as value). jobKey is padded to 16 characters, so that
         jobs of one due time keep their order; people see it without the zeros.
]]
local PREFIX = ARGV[1]
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)

local MAX_PAYLOAD_KEPT = 4096

-- Names that run a hundred thousand times a second.
local call, pcall_redis, format, match = redis.call, redis.pcall, string.format, string.match

-- Whole numbers leave Lua by this only: tostring() turns to exponents at 1e14, and %.0f takes three times as long.
local function digits(number)
  return format('%d', number)
end

-- digits() by the number, and tonumber() by the text, of what many jobs of a call share: once more it costs a tenth.
local shared_digits = setmetatable({}, { __index = function(known, number)
  local text = digits(number)
  known[number] = text
  return text
end })
local shared_numbers = setmetatable({}, { __index = function(known, text)
  local number = tonumber(text)
  known[text] = number
  return number
end })

-- The settings of a JSON text that is one of ours, by their names; read when the first of them is wanted, for that takes as
-- long as to hand out a job, and few calls want one.
local function settings_in(json)
  return setmetatable({}, { __index = function(known, name)
    local settings = cjson.decode(json)
    for member, value in pairs(settings) do
      known[member] = value
    end
    return settings[name]
  end })
end

local function clamp(value, low, high)
  return math.min(math.max(value, low), high)
end

-- An error reply if this fixed key has a foreign type, else nil. Called before the first write.
local function wrong_type(key, kind)
  local found = pcall_redis('TYPE', key).ok
  if not found then
    return no_right('TYPE', key)
  end
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('ERR authlink wrongtype ' .. key .. ' is a ' .. found .. ', expected a ' .. kind)
  end
end

--[[
Runs `read`, which writes nothing. nil if it could; else an error reply: what why_not() finds, a right that is
missing or a foreign type. What is read in any case needs no such question beforehand, which costs more than to read.
]]
local function refusal_of(read, why_not)
  local fine, failure = pcall(read)
  if not fine then
    return why_not() or error(failure, 0)
  end
end

local function shown_key(key)
  return match(key, '^0+(%d+)$') or (string.gsub(key, '^(r?)0+(%d)', '%1%2'))
end

-- What stands before the slot of a record, and what behind it.
local function record_around_slot(job)
  return job.key .. ' ' .. shared_digits[job.attempts] .. ' ' .. shared_digits[job.recoveries] .. ' '
    .. shared_digits[job.first_seen_ms] .. ' ', ' ' .. job.payload
end

local function to_record(job)
  local head, tail = record_around_slot(job)
  return head .. '0' .. tail
end

-- The job of a record; nil if the text has not that form.
local function from_record(text)
  local key, attempts, recoveries, first_seen, slot, payload =
    match(text, '^(r?%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  if not key or #key > 31 or #attempts > 9 or #recoveries > 9 or #first_seen > 15 or #slot > 18 then
    return nil
  end
  return { key = key, attempts = shared_numbers[attempts], recoveries = shared_numbers[recoveries],
    first_seen_ms = shared_numbers[first_seen], slot_us = tonumber(slot), payload = payload }
end

-- What a settle of a link needs of it: job key as it is shown, attempts, slot.
local function outline_of(text)
  local new_number, new_slot = match(text, '^0*(%d+) 0 0 %d+ (%d+) ')   -- most are new: with fewer captures
  if new_number and #new_number <= 31 and #new_slot <= 18 then
    return new_number, 0, tonumber(new_slot)
  end
  local letter, number, attempts, slot = match(text, '^(r?)0*(%d+) (%d+) %d+ %d+ (%d+) ')
  if not letter or #number > 31 or #attempts > 9 or #slot > 18 then
    return nil
  end
  return letter .. number, shared_numbers[attempts], tonumber(slot)
end

local function session_key(user)
  return PREFIX .. ':session:' .. user
end

-- The user's valid link, or nil. A foreign type under that name counts as none. Most users have none: what one has
-- is read after the first field says that there is one.
local function valid_link(user)
  local key = session_key(user)
  if pcall_redis('HGET', key, 'status') ~= 'ready' then
    return nil
  end
  local found = call('HMGET', key, 'expiresAtMs', 'redirectUrl', 'updatedAtMs', 'sessionId')
  local expires_ms = tonumber(found[1] or '')
  if not expires_ms or expires_ms <= now_ms then
    return nil
  end
  return { expires_ms = expires_ms, redirect_url = found[2] or '', updated_ms = tonumber(found[3] or '') or 0,
    session_id = found[4] or '' }
end

-- The lease that :inflight has for this user, nil if it is not true: that is an index only, the leases are the truth.
local function holder_of(lease, user)
  if not lease then
    return nil
  end
  local there = redis.pcall('HEXISTS', PREFIX .. ':lease:' .. lease, user)
  return there == 1 and lease or nil
end

-- Counters of this call, added to :stats at once by write_counters().
local counters = {}

local function count(name, by)
  counters[name] = (counters[name] or 0) + (by or 1)
end

local function write_counters(stats)
  for name, by in pairs(counters) do
    redis.call('HINCRBY', stats, name, shared_digits[by])
  end
end

local is_trimmed = false   -- the events, by this call

local function write_event(events, keep_ms, ...)
  if is_trimmed then
    call('XADD', events, '*', ...)
    return
  end
  call('XADD', events, 'MINID', '~', digits(math.max(0, now_ms - keep_ms)), '*', ...)
  is_trimmed = true
end

-- The key of the next job, for steps that take none from the queue.
local function next_job_key(stats)
  return digits(redis.call('HINCRBY', stats, 'taken', 1))
end

-- ms until this score of :delayed is due, -1: there is none.
local function due_in(score)
  return score and math.max(0, math.ceil(tonumber(score) - now_ms)) or -1
end

local function next_due_in(delayed)
  return due_in(redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2])
end
