#!/usr/bin/env lua5.1
-- test_slots.lua - the line of slots of pace.lua: distances, bursts, restarts, clocks, waiting.
package.path = 'tests/pace/?.lua;' .. package.path
local check = require('check')
local pace = require('shared_pace')
local support = require('support')
local NOW, SEC = support.NOW_US, support.SEC

check.that('the hash has the fields that were agreed, in order', function()
  check.equal(table.concat(pace.FIELDS, ' '), 'nextUs pace base fromUs dryUs darkUs sinceUs perSec burst maxPerSec learned',
    'fields')
end)

check.that('of the line only what has changed is written, of what was learned the counts and all that is not 0', function()
  local state = support.started(100)
  local line = pace.line_of(state)
  state.next_us, state.ok = NOW + 7, 3
  check.equal(table.concat(pace.fields(state, line), ' '), string.format('nextUs %d learned ok 3 acc 0 seen 0 step 0.0050000000000000001', NOW + 7),
    'fields')
end)

check.that('a state without what was learned writes none of it', function()
  local values = support.values(pace.fields(support.started(100)))
  check.equal(#pace.fields(pace.load_line(values)), 2 * (#pace.FIELDS - 1), 'words')
end)

check.that('slots begin at whole microseconds, not before their distance', function()
  local state = support.started(70000)
  for _ = 1, 100 do   -- doubles of today's microseconds are a quarter apart
    local before = state.next_us
    pace.commit(state, 3)
    check.equal(state.next_us % 1, 0, 'fraction')
    check.between(state.next_us - before - 3 * SEC / state.pace, -0.125, 1, 'more than three distances')
  end
end)

check.that('an unknown limit starts with ten a second, the first slot at once', function()
  local state, slots = support.claim(support.started(0), NOW, 256)
  check.equal(#slots, 3, 'slots within 250 ms')
  for i, slot in ipairs(slots) do
    check.equal(slot, NOW + (i - 1) * 100000, 'slot ' .. i)
  end
  local _, more = support.claim(state, NOW, 256)
  check.equal(#more, 0, 'slots left')
end)

check.that('an unknown limit starts no faster than max_per_sec', function()
  check.equal(support.started(0, 1, 2).pace, 2, 'pace')
end)

check.that('reserve changes nothing, commit takes only what was used', function()
  local state = support.started(100)
  local before = table.concat(pace.fields(state), ' ')
  local slots = pace.reserve(state, NOW, 10)
  check.equal(table.concat(pace.fields(state), ' '), before, 'state')
  pace.commit(state, 4)
  check.equal(pace.reserve(state, NOW, 1)[1], slots[5], 'the next slot')
end)

local rates = {}
for _, rate in ipairs({ 0.1, 0.7, 1, 10, 333, 1999, 5000, 77777, 100000 }) do
  table.insert(rates, { name = rate .. '/s', rate = rate })
end

check.rows('slots lie one gap apart and none is lost, whatever the claims want', rates, function(row)
  local state, last = support.started(row.rate), nil
  local gap_us = SEC / (0.995 * row.rate)
  local count, now, span_us = 0, NOW, math.max(SEC / 2, 5 * gap_us)
  while now < NOW + span_us do
    local slots
    state, slots = support.claim(state, now, 256 - count % 100)
    for _, slot in ipairs(slots) do
      if last then
        check.between(slot - last, gap_us - 1, gap_us + 1, 'gap')
      end
      last, count = slot, count + 1
    end
    now = now + math.max(1000, math.floor(gap_us / 2))
  end
  check.between(count, 0.99 * span_us / gap_us, (1.005 * span_us + 251000) / gap_us + 1, 'slots')
end)

check.that('twenty thousand single claims do not drift', function()
  local state, slots = support.started(5000), nil
  for i = 0, 19999 do
    state, slots = support.claim(state, NOW + i * 200, 1)
    check.equal(#slots, 1, 'slots of claim ' .. i)
  end
  local gap_us = SEC / 4975
  check.between(state.next_us - NOW, 20000 * gap_us - 200, 20000 * gap_us + 200, 'the line after 20,000 slots')
end)

local bursts = { { name = '1', burst = 1 }, { name = '5', burst = 5 }, { name = '200', burst = 200 } }
check.rows('after a long idle time at most `burst` slots come at once', bursts, function(row)
  local state = support.claim(support.started(100, row.burst), NOW, 1)
  local now = NOW + 3600 * SEC
  local _, slots = support.claim(state, now, 256)
  local at_once = 0
  for _, slot in ipairs(slots) do
    at_once = at_once + (slot == now and 1 or 0)
  end
  check.equal(at_once, row.burst, 'slots at once')
  check.between(slots[row.burst + 1] - now, 1, 1.01 * SEC / 99.5, 'then a gap')
end)

check.that('one claim gets 256 slots at most', function()
  local _, slots = support.claim(support.started(100000), NOW, 100000)
  check.equal(#slots, 256, 'slots')
end)

check.that('no slot lies more than 250 ms ahead, and none in the past', function()
  local _, slots = support.claim(support.started(1000, 50), NOW + 77 * SEC, 256)
  check.equal(slots[1], NOW + 77 * SEC, 'first')
  check.between(slots[#slots], NOW + 77 * SEC, NOW + 77 * SEC + 250000, 'last')
end)

check.that('a hundred restarts within a minute make no burst, with equal settings or new ones', function()
  local state, total = support.started(20), 0
  for restart = 0, 99 do
    local now = NOW + restart * 600000
    if restart % 2 == 1 then
      pace.start(state, now, 20 + restart % 4 / 1000, 1, 500)
    end
    local slots
    state, slots = support.claim(state, now, 256)
    total = total + #slots
  end
  check.between(total, 1, 60 * 20 + 6, 'slots in a minute')
end)

check.that('a clock that went back far starts the line anew, a small step waits', function()
  local state = support.claim(support.started(10), NOW, 3)
  local far, slots = support.claim(support.stored(state), NOW - 700 * SEC, 256)
  check.equal(slots[1], NOW - 700 * SEC, 'first slot')
  check.equal(far.from_us, NOW - 700 * SEC, 'from')
  local _, none = support.claim(state, NOW - 600 * SEC, 256)
  check.equal(#none, 0, 'slots after a small step')
end)

check.that('the wait lasts until a tenth of a second of slots is free, and at most a second', function()
  local state = support.claim(support.started(100), NOW, 256)
  local wait_ms = pace.wait_ms(state, NOW, 256)
  local _, slots = support.claim(support.stored(state), NOW + wait_ms * 1000, 256)
  check.between(#slots, 9, 11, 'slots after the wait')
  local slow = support.claim(support.started(0.1), NOW, 256)
  check.equal(pace.wait_ms(slow, NOW, 256), 1000, 'wait of a slow line')
  check.between(pace.wait_ms(support.started(100), NOW, 1), 1, 1, 'wait when slots are free')
end)

check.that('the settings of an operator restart the pace, and the next slot stays', function()
  local state = support.claim(support.started(10), NOW, 3)
  local next_us = state.next_us
  pace.start(state, NOW, 50, 2, 500)
  check.equal(state.next_us, next_us, 'next')
  check.equal(state.pace, 49.75, 'pace')
  check.equal(state.burst, 2, 'burst')
end)

check.finish()
