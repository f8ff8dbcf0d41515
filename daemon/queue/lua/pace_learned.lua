--[[
pace_learned.lua - what the pace has learned: its part of the state, and the start of a pace. Who only hands out slots needs
none of it, and who only counts answers its text, so a step has this as a function, which adds to `pace`. Pure, as pace.lua is.
]]
local NAMES = { 'ok', 'acc', 'seen', 'hi', 'step', 'first', 'thr', 'wait_us', 'cost', 'calm', 'proven', 'stop_us', 'window_us',
  'peak', 'seen_thr', 'doubt', 'stray', 'strikes', 'least', 'shut_us', 'claims', 'lied_us' }
local COUNTS = 3         -- the first of them, which are written always: pace_answers.lua
local MAX_BYTES = 2048   -- ours has at most half of that
local START_PACE = 10    -- an unknown limit starts with ten a second

-- The step of the first free probe.
function pace.first_step(state)
  return state.per_sec > 0 and 0.005 or 0.02
end

-- Reads state.learned.
function pace.load_learned(state)
  local found = {}
  for name, number in string.gmatch(string.sub(state.learned, 1, MAX_BYTES), '([%l_]+) (%S+)') do
    found[name] = pace.sound(number)
  end
  for _, name in ipairs(NAMES) do
    state[name] = found[name] or 0
  end
  state.learned = nil
end

function pace.learned_text(state)
  local words = {}
  for i, name in ipairs(NAMES) do
    local number = state[name]
    if number ~= 0 or i <= COUNTS then
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
