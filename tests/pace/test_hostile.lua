#!/usr/bin/env lua5.1
-- test_hostile.lua - whatever stands in the hash: pace.lua neither fails, nor stops the line, nor breaks the limit.
package.path = 'tests/pace/?.lua;' .. package.path
local check = require('check')
local pace = require('shared_pace')
local random = require('random')
local support = require('support')
local NOW, SEC = support.NOW_US, support.SEC

local ABSURD = { '', 'x', 'nan', '-nan', 'inf', '-inf', '-1', '1e999', '1e17', '1e300', '1e-300', '0', '0x10', ' 7 ', '99999999999999999999',
  '1700000000000000', '1e16' }

local function same(got, expected)
  check.equal(table.concat(pace.fields(got), ' '), table.concat(pace.fields(expected), ' '), 'state')
end

-- Claims and settles for ten seconds; the slots keep the limit's distance, and there are some.
local function assert_works(state, now_us, at_most_per_sec)
  local count, first, last = 0, nil, nil
  for step = 0, 39 do
    local now = now_us + step * 250000
    local slots
    state, slots = support.claim(state, now, 256)
    check.between(#slots, 0, 256, 'slots')
    for _, slot in ipairs(slots) do
      check.between(slot, now, now + 250001, 'slot')
      first, last, count = first or slot, slot, count + 1
    end
    state = support.settle(state, now, support.answers(slots, true))
  end
  check.between(count, 1, 1e9, 'slots in ten seconds')
  check.between(count, 0, at_most_per_sec * ((last - first) / SEC) + 2, 'slots in ten seconds')
  return state
end

local rows = {}
for i, field in ipairs(pace.FIELDS) do
  for _, text in ipairs(ABSURD) do
    table.insert(rows, { name = field .. ' "' .. text .. '"', index = i, text = text })
  end
  table.insert(rows, { name = field .. ' missing', index = i, text = false })
end

local LEARNED = #pace.FIELDS
for name in pairs(pace.load({})) do
  for _, text in ipairs(ABSURD) do
    table.insert(rows, { name = 'learned ' .. name .. ' "' .. text .. '"', index = LEARNED, text = name .. ' ' .. text })
  end
end

check.rows('one absurd field is survived', rows, function(row)
  local values = support.values(pace.fields(support.started(40, 1, 500)))
  values[row.index] = row.text
  local state = pace.load(values)
  if not state.per_sec then
    pace.start(state, NOW, 40, 1, 500)   -- as claim.lua does
  end
  if row.index == 1 and row.text == '1700000000000000' or state.burst > 1 or state.per_sec ~= 40 then
    return   -- a sound value
  end
  assert_works(state, NOW, 40)
end)

check.that('a missing hash has no settings', function()
  check.equal(pace.load({}).per_sec, nil, 'perSec')
  check.equal(pace.load({ false, false }).per_sec, nil, 'perSec')
end)

local bad_settings = {
  { name = 'perSec negative', field = 'perSec', text = '-1' },
  { name = 'perSec infinite', field = 'perSec', text = 'inf' },
  { name = 'perSec huge', field = 'perSec', text = '1e9' },
  { name = 'perSec tiny', field = 'perSec', text = '1e-9' },
  { name = 'burst 0', field = 'burst', text = '0' },
  { name = 'burst huge', field = 'burst', text = '1e9' },
  { name = 'maxPerSec 0', field = 'maxPerSec', text = '0' },
  { name = 'maxPerSec words', field = 'maxPerSec', text = 'many' },
}
check.rows('absurd settings count as none', bad_settings, function(row)
  local values = support.values(pace.fields(support.started(40)))
  for i, field in ipairs(pace.FIELDS) do
    if field == row.field then
      values[i] = row.text
    end
  end
  check.equal(pace.load(values).per_sec, nil, 'perSec')
end)

check.that('numbers that can be none of ours count as missing', function()
  for _, text in ipairs({ '', 'x', '-1', 'nan', 'inf', '-inf', '1e999', '1e18' }) do
    for i, field in ipairs(pace.FIELDS) do
      check.equal(next(pace.load_line({ [i] = text })), nil, field .. ' "' .. text .. '"')
    end
    for name, number in pairs(pace.load({ [LEARNED] = 'hi ' .. text })) do
      check.equal(number, 0, name .. ' of hi "' .. text .. '"')
    end
  end
end)

check.that('names among what was learned that are none of it change nothing', function()
  check.equal(pace.load({ [LEARNED] = 'per_sec 7 next_us 7 x 7 hi 5' }).per_sec, nil, 'perSec')
  check.equal(pace.load({ [LEARNED] = 'per_sec 7 next_us 7 x 7 hi 5' }).hi, 5, 'hi')
end)

check.that('instants far ahead are brought back', function()
  local state = support.started(0)
  state.from_us, state.since_us, state.wait_us, state.stop_us = NOW * 2, NOW * 2, NOW * 2, NOW * 2
  state.shut_us, state.lied_us = NOW * 2, NOW * 2
  state = support.settle(state, NOW, { { slotUs = NOW, accepted = false } })   -- what is merely counted goes by none of them
  check.between(state.from_us, NOW, NOW + SEC, 'from')
  check.between(state.since_us, NOW, NOW + 620 * SEC, 'since')
  check.between(state.wait_us, NOW, NOW + 6600 * SEC, 'wait')
  check.between(state.stop_us, 0, NOW, 'stop')
  check.between(state.shut_us, NOW, NOW + 600 * SEC, 'shut')
  check.between(state.lied_us, NOW, NOW + 3600 * SEC, 'lied')
end)

check.that('a state survives the hash exactly', function()
  local dice = random.new(7)
  for round = 1, 300 do
    local known = round % 2 == 0
    local state = support.started(known and 0.1 + 3000 * dice.uniform() or 0, 1 + round % 3, 5000)
    local now = NOW
    for _ = 1, 20 do
      now = now + math.floor(2 * SEC * dice.uniform())
      pace.advance(state, now)
      local slots = pace.reserve(state, now, 200)
      pace.commit(state, #slots)
      local list = {}
      for i, slot in ipairs(slots) do
        list[i] = { slotUs = slot, accepted = dice.uniform() > 0.1 * (round % 4) }
      end
      pace.learn(state, now, list)
    end
    local stored = support.stored(state)
    for name, value in pairs(state) do
      check.equal(stored[name], value, name)
    end
    same(stored, state)
  end
end)

check.that('a slot alone is an accepted answer with nothing more to say', function()
  local dice = random.new(11)
  local full, short = support.started(0, 1, 5000), support.started(0, 1, 5000)
  for round = 1, 200 do
    local now, all, slots_alone = NOW + round * SEC / 4, {}, {}
    local slots
    full, slots = support.claim(full, now, 200)
    short = support.claim(short, now, 200)
    for i, slot in ipairs(slots) do
      all[i] = { slotUs = slot, accepted = dice.uniform() > 0.02 * (round % 3), resetMs = 0 }
      slots_alone[i] = all[i].accepted and slot or all[i]
    end
    full, short = support.settle(full, now, all), support.settle(short, now, slots_alone)
    same(short, full)
  end
end)

local seeds = {}
for seed = 1, 20 do
  table.insert(seeds, { name = 'seed ' .. seed, seed = seed })
end

check.rows('any hash, any answers: no error, no endless loop, no pace above the limit', seeds, function(row)
  local dice = random.new(row.seed)
  for _ = 1, 100 do
    local values = {}
    for i = 1, #pace.FIELDS do
      local kind = dice.uniform()
      values[i] = kind < 0.1 and false or kind < 0.5 and ABSURD[1 + math.floor(#ABSURD * dice.uniform())]
        or string.format('%.17g', 10 ^ (36 * dice.uniform() - 18))
    end
    local state = pace.load(values)
    if not state.per_sec then
      pace.start(state, NOW, dice.uniform() < 0.5 and 0 or 30, 1, 200)
    end
    local limit = state.per_sec > 0 and state.per_sec or state.max_per_sec
    local now = NOW
    for _ = 1, 10 do
      now = now + math.floor(SEC * (2 * dice.uniform() - 0.5))
      local slots
      state, slots = support.claim(state, now, 256)
      check.between(#slots, 0, 256, 'slots')
      check.between(pace.wait_ms(state, now, 256), 1, 1000, 'wait')
      state = support.settle(state, now, { { slotUs = slots[1] or now, accepted = dice.uniform() < 0.5,
        retryAfterMs = 1e6 * dice.uniform(), resetMs = dice.uniform() < 0.5 and 1e6 * dice.uniform() or nil } })
      check.between(state.pace, 0, limit, 'pace')
      check.between(state.next_us, now - 1000 * state.burst / state.pace * SEC, now + 620 * SEC, 'next')
    end
  end
end)

check.finish()
