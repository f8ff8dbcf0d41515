--[[
pace_learned.lua - what the pace has learned: its part of the state, and the start of a pace. Who only hands out slots needs none of it, so a step has this as a function, which adds to `pace`. Pure, as
pace.lua is.
]]
local NAMES = { 'hi', 'step', 'first', 'ok', 'thr', 'wait_us', 'cost', 'calm', 'acc', 'proven', 'stop_us', 'window_us',
  'peak', 'seen', 'seen_thr', 'doubt', 'stray', 'strikes', 'least', 'shut_us', 'claims', 'lied_us' }
local MAX_BYTES = 2048   -- ours has at most half of that
local START_PACE = 10    -- an unknown limit starts with ten a second
pace.LONG_RESET_MS = 2000   -- a limit that is exactly used says 0 all the time, and a reset is rounded up

-- The shortest trial of a known and of an unknown limit.
function pace.trial_sec(state)
  return state.per_sec > 0 and 5 or 1
end

-- The step of the first free probe.
function pace.first_step(state)
  return state.per_sec > 0 and 0.005 or 0.02
end

-- The line of slots, and what was learned, from the texts of all fields.
function pace.load(values)
  local state = { hi = 0, step = 0, first = 0, ok = 0, thr = 0, wait_us = 0, cost = 0, calm = 0, acc = 0, proven = 0,
    stop_us = 0, window_us = 0, peak = 0, seen = 0, seen_thr = 0, doubt = 0, stray = 0, strikes = 0, least = 0, shut_us = 0,
    claims = 0, lied_us = 0, next_us = nil, pace = nil, base = nil, from_us = nil, dry_us = nil, dark_us = nil,
    since_us = nil, per_sec = nil, burst = nil, max_per_sec = nil }
  for name, number in string.gmatch(string.sub(values[#pace.FIELDS] or '', 1, MAX_BYTES), '([%l_]+) (%S+)') do
    if state[name] then
      state[name] = pace.sound(number) or 0
    end
  end
  return pace.read_line(state, values)
end

function pace.learned_text(state)
  local words = {}
  for _, name in ipairs(NAMES) do
    local number = state[name]
    if number ~= 0 then
      words[#words + 1], words[#words + 2] = name, pace.exact(number)
    end
  end
  return table.concat(words, ' ')
end

function pace.start(state, now_us, per_sec, burst, max_per_sec)
  local next_us = math.max(state.next_us or 0, now_us)
  for _, name in ipairs(NAMES) do
    state[name] = 0
  end
  state.dry_us, state.dark_us = 0, 0
  state.per_sec, state.burst, state.max_per_sec = per_sec, math.max(1, burst), max_per_sec
  state.next_us, state.from_us, state.since_us = next_us, next_us, next_us
  state.pace = per_sec > 0 and pace.ceiling(state) or math.min(START_PACE, max_per_sec)
  state.base = state.pace
  state.step = per_sec > 0 and pace.first_step(state) or 1
end
