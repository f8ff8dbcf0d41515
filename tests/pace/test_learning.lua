#!/usr/bin/env lua5.1
-- test_learning.lua - what pace.lua learns from answers, rule by rule.
package.path = 'tests/pace/?.lua;' .. package.path
local check = require('check')
local pace = require('shared_pace')
local random = require('random')
local support = require('support')
local NOW, SEC = support.NOW_US, support.SEC

local function all()
  return true
end

local function none()
  return false
end

-- A state that found `rate` and waits before it probes again.
local function settled(rate, more)
  local state = support.started(0, 1, 100000)
  state.pace, state.base, state.hi, state.step, state.proven = rate, rate, 1.02 * rate, 0.02, rate
  state.wait_us = NOW
  for name, value in pairs(more or {}) do
    state[name] = value
  end
  return state
end

-- count answers that this trial judges, the first `refused` of them 429s.
local function trial(state, count, refused)
  local list = {}
  for i = 1, count do
    list[i] = { slotUs = state.from_us + i * 10, accepted = i > refused }
  end
  return list
end

check.that('an unknown limit that refuses nothing is doubled up to max_per_sec and no farther', function()
  local state = support.started(0, 1, 300)
  state = support.run(state, NOW, NOW + 30 * SEC, all, function(now_state)
    check.between(now_state.pace, 10, 300, 'pace')
  end)
  check.equal(state.pace, 300, 'pace')
end)

check.that('a known limit is never exceeded, whatever is accepted', function()
  support.run(support.started(100), NOW, NOW + 120 * SEC, all, function(state)
    check.between(state.pace, 0, 99.5, 'pace')
  end)
end)

local few = { { name = 'one', refused = 1 }, { name = 'two', refused = 2 } }
check.rows('stray 429s are no verdict on the base', few, function(row)
  local state = settled(20)
  state = support.settle(state, NOW + SEC, trial(state, 60, row.refused))
  check.equal(state.pace, 20, 'pace')
  check.equal(state.thr, row.refused, '429s of the trial, which goes on')
end)

-- Trials of `count` answers, one a second, with so many 429s.
local function trials(state, count, refusals)
  for second, refused in ipairs(refusals) do
    state = support.settle(state, NOW + second * SEC, trial(state, count, refused))
  end
  return state
end

check.that('three 429s in each of three trials are a verdict', function()
  local state = trials(settled(20), 60, { 3, 3 })
  check.equal(state.pace, 20, 'pace after two trials')
  state = trials(state, 60, { 3 })
  check.between(state.pace, 18, 19, 'pace')
  check.equal(state.hi, 20, 'hi')
end)

check.that('the base is cut by the smallest share of the trials: one of them had a clump of late requests', function()
  check.between(trials(settled(1000), 1000, { 200, 30, 90 }).pace, 950, 951, 'pace')
end)

local again = { { name = 'known', per_sec = 100, pace = 89.3 }, { name = 'unknown', per_sec = 0, pace = 92.1 } }
check.rows('a cut that follows another at once is twice as deep where the limit is known', again, function(row)
  local state = settled(100, { per_sec = row.per_sec, max_per_sec = 100, pace = 99.5, base = 99.5, calm = 0, hi = 100 })
  state = trials(state, 500, { 25, 25, 25 })
  check.between(state.pace, row.pace - 0.5, row.pace + 0.6, 'pace')
  local rested = settled(100, { per_sec = row.per_sec, max_per_sec = 100, pace = 99.5, base = 99.5, calm = 1, hi = 100 })
  check.between(trials(rested, 500, { 25, 25, 25 }).pace, 92, 94.2, 'pace after a clean trial')
end)

check.that('a clump of late requests now and then leaves the pace, were it every other second', function()
  local state = settled(500)
  for _ = 1, 20 do
    state = trials(state, 500, { 60, 0 })
    check.between(state.pace, 500, 520, 'pace')
  end
end)

check.that('clumps in two of three seconds are too many', function()
  local state = trials(settled(500, { hi = 510 }), 500, { 60, 60, 0, 60, 60 })
  check.between(state.pace, 430, 432, 'pace')
end)

check.that('a clean trial too short to show the share in question clears nobody of it', function()
  local state = trials(settled(2), 150, { 3 })
  for strikes = 1, 2 do
    state = support.settle(state, NOW, trial(state, 60, 0))
    check.equal(state.strikes, strikes, 'strikes')
    state = support.settle(state, NOW, trial(state, 150, 3))
  end
  check.between(state.pace, 1.91, 1.93, 'pace: cut by the 2 % of each')
end)

check.that('a quarter refused needs no second trial', function()
  check.between(trials(settled(100), 100, { 26 }).pace, 72, 73, 'pace')
end)

check.that('a clump of a quarter of a second is no flood', function()
  local state = settled(500)
  state = support.settle(state, NOW, trial(state, 230, 125))
  check.equal(state.pace, 500, 'pace')
end)

check.that('a probe fails by its second 429', function()
  local state = settled(20, { pace = 20.4, hi = 0 })
  state = support.settle(state, NOW + SEC, trial(state, 60, 1))
  check.equal(state.pace, 20.4, 'pace after one')
  state = support.settle(state, NOW + SEC, trial(state, 40, 1))
  check.equal(state.pace, 20, 'pace')
  check.equal(state.hi, 20.4, 'hi')
end)

check.that('a probe with one 429 in a hundred answers has passed', function()
  local state = settled(20, { pace = 20.4, hi = 0 })
  state = support.settle(state, NOW, trial(state, 100, 1))
  check.equal(state.base, 20.4, 'base')
end)

local bold = {
  { name = '16 % and 3 % refused', step = 0.16, refused = 3, base = 22, goes_on = true },
  { name = '16 % and 8 % refused', step = 0.16, refused = 8, base = 20.9, goes_on = false },
  { name = 'twice as fast and 5 % refused', step = 1, refused = 5, base = 37.2, goes_on = true },
  { name = 'twice as fast and 6 % refused', step = 1, refused = 6, base = 36.8, goes_on = false },
}
check.rows('a bold probe goes on from what it bore if it drew far fewer 429s than a limit below would', bold, function(row)
  local state = settled(20, { pace = 20 * (1 + row.step), hi = 0, step = row.step })
  state = support.settle(state, NOW, trial(state, 100, row.refused))
  check.between(state.base, row.base, row.base + 0.1, 'base')
  check.equal(state.pace > state.base, row.goes_on, 'a higher pace is tried')
  check.equal(state.hi == 0, row.goes_on, 'no pace that failed is known')
end)

check.that('a free probe that climbed goes back to where it began', function()
  local state = settled(20, { pace = 40, base = 30, hi = 0, proven = 20 })
  state = support.settle(state, NOW + SEC, trial(state, 25, 14))
  check.equal(state.pace, 20, 'pace')
  check.between(state.hi, 20.9, 21.1, 'hi: what lies between is not searched')
end)

check.that('a free probe that climbed and bore more than where it began is searched for the limit', function()
  local state = settled(20, { pace = 60, base = 45, hi = 0, proven = 20 })
  state = support.settle(state, NOW, trial(state, 40, 24))
  check.between(state.pace, 23.5, 23.6, 'pace')
  check.equal(state.hi, 60, 'hi')
end)

check.that('nineteen answers are no flood yet', function()
  local state = settled(10)
  check.equal(support.settle(state, NOW, trial(state, 19, 19)).dark_us, 0, 'dark')
  check.equal(support.settle(state, NOW, trial(state, 20, 20)).dark_us, SEC, 'dark')
end)

check.that('a line that was not busy teaches nothing', function()
  local state = settled(20, { pace = 20.4, hi = 0, dry_us = 60 * SEC })
  state = support.settle(state, NOW + SEC, trial(state, 100, 0))
  check.equal(state.base, 20, 'base')
end)

check.that('far too fast is cut by the share that was refused, to an eighth at most', function()
  local state = settled(80)
  state = support.settle(state, NOW + SEC, trial(state, 100, 70))
  check.between(state.pace, 23.9, 24.1, 'pace')
  state = settled(80)
  state = support.settle(state, NOW + SEC, trial(state, 100, 99))
  check.equal(state.pace, 10, 'pace')
end)

check.that('after a cut of that kind, which may be far too deep, the search goes up boldly', function()
  local state = settled(80)
  state = support.settle(state, NOW, trial(state, 100, 90))
  check.between(state.pace, 9.9, 10.1, 'pace')
  state = support.settle(state, NOW, trial(state, 60, 0))
  check.between(state.pace, 16, 17, 'pace after a clean trial')
end)

check.that('small cuts that do not help are doubted: 429s that stay at a third of the pace are allowed', function()
  local state = settled(72, { peak = 100, seen = 900, seen_thr = 18, strikes = 2, least = 0.04 })
  state = support.settle(state, NOW, trial(state, 100, 4))
  check.between(state.doubt, 0.021, 0.023, 'doubt: 22 of 1000')
  check.between(state.pace, 22, 24, 'pace')
  state = support.settle(state, NOW, trial(state, 599, 12))
  check.between(state.doubt, 0.021, 0.023, 'doubt until 600 answers')
  state = support.settle(state, NOW, trial(state, 1, 0))
  check.equal(state.doubt, 0, 'doubt')
  check.equal(state.pace, 100, 'pace: what it was before the cuts')
  check.between(state.stray, 0.019, 0.021, 'stray')
  state = support.settle(state, NOW, trial(state, 200, 5))
  check.between(state.base, 100, 110, 'base after as many 429s')
end)

check.that('no more is allowed than was in doubt', function()
  local state = settled(24, { peak = 100, doubt = 0.02 })
  state = support.settle(state, NOW, trial(state, 600, 21))
  check.equal(state.stray, 0.02, 'stray')
end)

local remains = { { name = 'none', refused = 0 }, { name = 'a third of them', refused = 10 } }
check.rows('where a third of the pace draws far fewer 429s the cuts were right', remains, function(row)
  local state = settled(72, { peak = 100, hi = 75, seen = 900, seen_thr = 66, strikes = 2, least = 0.09 })
  state = support.settle(state, NOW, trial(state, 100, 9))
  state = support.settle(state, NOW, trial(state, 400, row.refused))
  check.between(state.pace, 63, 66, 'pace')
  check.equal(state.stray, 0, 'stray')
  check.equal(state.hi, 72, 'hi')
end)

check.that('while nothing is accepted one request is tried after 1, 2, 4, 8, 16, 16 s', function()
  local state = settled(20, { burst = 50 })
  state = support.settle(state, NOW, trial(state, 40, 40))
  local now = NOW
  for _, gap in ipairs({ 1, 2, 4, 8, 16, 16 }) do
    check.equal(state.dark_us, gap * SEC, 'gap')
    local before, slots
    state, before = support.claim(state, now + gap * SEC - 300000, 256)
    check.equal(#before, 0, 'slots before the gap is over')
    now = now + gap * SEC
    state, slots = support.claim(state, now, 256)
    check.equal(#slots, 1, 'slots')
    state = support.settle(state, now, support.answers(slots, false))
  end
end)

check.that('the first answer accepted ends the dark, and a long stop makes trials as long', function()
  local state = settled(20, { acc = 400, since_us = NOW - 30 * SEC })
  state = support.settle(state, NOW, trial(state, 40, 40))
  local now
  state, now = support.run(state, NOW, NOW + 16 * SEC, function(slot_us)
    return slot_us > NOW + 14 * SEC
  end)
  check.equal(state.dark_us, 0, 'dark')
  check.between(state.pace, 8.5, 8.9, 'pace: 401 accepted in 45 s')
  check.between(state.window_us, 14 * SEC, 16 * SEC, 'window')
  local base = state.base
  state, now = support.run(state, now, now + 13 * SEC, all)
  check.equal(state.base, base, 'base within the window')
  state = support.run(state, now, now + 8 * SEC, all)
  check.between(state.pace, 1.01 * base, 1.2 * base, 'pace after it')
end)

check.that('a stop of minutes makes no window', function()
  local state = settled(20)
  state = support.settle(state, NOW, trial(state, 40, 40))
  state = support.run(state, NOW, NOW + 200 * SEC, function(slot_us)
    return slot_us > NOW + 150 * SEC
  end)
  check.equal(state.dark_us, 0, 'dark')
  check.equal(state.window_us, 0, 'window')
end)

check.that('a window is forgotten an hour after the last stop', function()
  local state = settled(20, { window_us = 60 * SEC, stop_us = NOW, pace = 20.4, hi = 0 })
  state = support.settle(state, NOW + 3599 * SEC, trial(state, 2000, 0))
  check.equal(state.window_us, 60 * SEC, 'window')
  state.dry_us = 0
  state = support.settle(state, NOW + 3601 * SEC, trial(state, 2000, 0))
  check.equal(state.window_us, 0, 'window')
end)

check.that('in a long window a streak of 429s is its end and no measure of the rate', function()
  local state = settled(100, { window_us = 50 * SEC, stop_us = NOW, acc = 30000, since_us = NOW - 300 * SEC })
  state = support.settle(state, NOW, trial(state, 60, 58))
  check.equal(state.pace, 100, 'pace')
  state = support.settle(state, NOW, trial(state, 100, 98))
  check.equal(state.dark_us, SEC, 'dark')
end)

local retries = {
  { name = '3 s', ms = 3000, stands_sec = 3 },
  { name = '90 s', ms = 90000, stands_sec = 90 },
  { name = '10 minutes', ms = 600000, stands_sec = 600 },
  { name = 'a day is ten minutes', ms = 86400000, stands_sec = 600 },
  { name = 'absurd', ms = 1e30, stands_sec = 600 },
  { name = '2 s delays its job only', ms = 2000, stands_sec = 0 },
  { name = 'none', ms = 0, stands_sec = 0 },
}
check.rows('the line stands still for a Retry-After over 2 s, at most ten minutes', retries, function(row)
  local state, slots = support.claim(support.started(100), NOW, 2)
  local list = support.answers(slots, true)
  list[2].accepted, list[2].retryAfterMs = false, row.ms
  state = support.settle(state, NOW, list)
  local expected = math.max(NOW + row.stands_sec * SEC, NOW + 2 * SEC / 99.5)
  check.between(state.next_us, expected - 1, expected + 1, 'next')
end)

check.that('Retry-After of a whole window tells the rate, also in the middle of a probe', function()
  local state = settled(200, { pace = 300, hi = 0, acc = 6000, since_us = NOW - 20 * SEC })
  local list = trial(state, 10, 1)
  list[1].retryAfterMs = 40000
  state = support.settle(state, NOW, list)
  check.between(state.pace, 97, 101, 'pace: 6,009 accepted in 60 s')
  check.equal(state.window_us, 40 * SEC, 'window')
end)

check.that('the counts of a trial start at its first 429', function()
  local state = settled(20)
  state = support.settle(state, NOW, trial(state, 15, 0))
  check.equal(state.ok, 15, 'accepted')
  state = support.settle(state, NOW, { { slotUs = NOW + 500, accepted = true }, { slotUs = NOW + 1000, accepted = false },
    { slotUs = NOW + 1500, accepted = true } })
  check.equal(state.ok, 1, 'accepted after the first 429')
  check.equal(state.thr, 1, '429s')
end)

check.that('no cut goes below one request in ten seconds', function()
  local state = settled(0.2)
  state = support.settle(state, NOW, trial(state, 20, 19))
  check.equal(state.pace, 0.1, 'pace')
end)

check.that('a free probe needs two clean trials', function()
  local now = NOW + 100 * SEC
  local state = settled(20, { next_us = now, from_us = now })
  state = support.settle(state, now, trial(state, 60, 0))
  check.equal(state.pace, 20, 'pace after one')
  state = support.settle(state, now, trial(state, 60, 0))
  check.equal(state.pace, 20.4, 'pace after two')
end)

local waits = {
  { name = 'nothing: 30 s', cost = 0, early_sec = 29, late_sec = 31 },
  { name = 'five 429s: 50 s', cost = 5, early_sec = 49, late_sec = 51 },
  { name = 'a thousand: 60 s', cost = 1000, early_sec = 59, late_sec = 61 },
}
check.rows('a free probe waits the longer the more the last one cost', waits, function(row)
  for _, moment in ipairs({ { at_sec = row.early_sec, pace = 20 }, { at_sec = row.late_sec, pace = 20.4 } }) do
    local now = NOW + moment.at_sec * SEC
    local state = settled(20, { calm = 5, cost = row.cost, next_us = now, from_us = now })
    state = support.settle(state, now, trial(state, 60, 0))
    check.equal(state.pace, moment.pace, 'pace after ' .. moment.at_sec .. ' s')
  end
end)

check.that('the end of a long window is no cause for doubt', function()
  local state = settled(72, { peak = 100, window_us = 20 * SEC, stop_us = NOW })
  state = support.settle(state, NOW, trial(state, 1600, 60))
  check.between(state.pace, 65, 70, 'pace')
  check.equal(state.doubt, 0, 'doubt')
end)

check.that('after a stop the wait for a free probe begins anew, also where the base stays', function()
  local state = settled(20, { acc = 1200, since_us = NOW - 60 * SEC, window_us = 30 * SEC })
  state = support.settle(state, NOW, trial(state, 40, 40))
  state = support.run(state, NOW, NOW + 2 * SEC, all)
  check.equal(state.pace, state.base, 'pace')
  check.between(state.hi / state.base, 1.04, 1.06, 'hi')
end)

check.that('a stop is as long as since the first request that was refused', function()
  local state = settled(20)
  state = support.settle(state, NOW + 5 * SEC, trial(state, 40, 40))
  state = support.run(state, NOW + 6 * SEC, NOW + 8 * SEC, all)
  check.between(state.window_us, 5 * SEC, 7 * SEC, 'window')
end)

check.that('single requests stay single after a pause, whatever the burst', function()
  local state = settled(20, { burst = 50 })
  state = support.settle(state, NOW, trial(state, 40, 40))
  local slots
  state, slots = support.claim(state, NOW + 300 * SEC, 256)
  check.equal(#slots, 1, 'slots')
  state, slots = support.claim(state, NOW + 300 * SEC, 256)
  check.equal(#slots, 0, 'slots of the next claim')
end)

check.that('the order of the answers within a settle is nothing to the pace', function()
  local dice = random.new(5)
  for round = 1, 200 do
    local state = settled(5 + 50 * dice.uniform(), { first = round % 2, hi = round % 3 * 30, pace = 60 })
    local list = {}
    for i = 1, 1 + math.floor(100 * dice.uniform()) do
      list[i] = { slotUs = NOW + math.floor(2 * SEC * (dice.uniform() - 0.2)), accepted = dice.uniform() > 0.1,
        retryAfterMs = round % 5 == 0 and math.floor(5000 * dice.uniform()) or nil,
        resetMs = round % 7 == 0 and math.floor(5000 * dice.uniform()) or nil }
    end
    local one = table.concat(pace.fields(support.settle(support.stored(state), NOW + SEC, list)), ' ')
    for i = #list, 2, -1 do
      local j = 1 + math.floor(i * dice.uniform())
      list[i], list[j] = list[j], list[i]
    end
    check.equal(table.concat(pace.fields(support.settle(support.stored(state), NOW + SEC, list)), ' '), one, 'state')
  end
end)

check.that('answers that are merely counted leave the rest of what was learned unread, and come to the same', function()
  local dice, unread = random.new(11), 0
  for round = 1, 400 do
    local state = settled(5 + 200 * dice.uniform(), { ok = round % 60, acc = 7 * round, seen = 9 * round, hi = round % 3 * 30,
      thr = round % 11 == 0 and 1 or 0, doubt = round % 13 == 0 and 0.1 or 0, stray = round % 2 * 0.01,
      shut_us = round % 5 == 0 and NOW + 300000 or 0, dark_us = round % 17 == 0 and SEC or 0 })
    local list = {}
    for i = 1, math.floor(30 * dice.uniform()) do
      local slot_us = NOW + math.floor(SEC * (dice.uniform() - 0.3))
      list[i] = dice.uniform() > 0.02 and slot_us or { slotUs = slot_us, accepted = dice.uniform() > 0.5, resetMs = 3000 }
    end
    local values = support.values(pace.fields(state))
    local whole, text = pace.load(values), pace.load_text(values)
    for _, of in ipairs({ whole, text }) do
      pace.advance(of, NOW)
      pace.learn(of, NOW + SEC, list)
    end
    unread = unread + (text.hi and 0 or 1)
    check.equal(table.concat(pace.fields(text), ' '), table.concat(pace.fields(whole), ' '), 'state')
  end
  check.between(unread, 100, 300, 'texts left unread')
end)

check.that('a text that is none of ours is read, for all that it may say', function()
  for _, learned in ipairs({ '', 'x', 'ok 1 acc 2', 'ok 1 acc 2 seen 3 thr 1', 'acc 2 ok 1 seen 3', 'ok -1 acc 2 seen 3',
    'ok 1 acc 2 seen ' .. string.rep('9', 30), 'ok 1 acc 2 seen 3' .. string.rep(' x 1', 1000) }) do
    local values = support.values(pace.fields(support.started(100)))
    values[#pace.FIELDS] = learned
    local state = pace.load_text(values)
    pace.learn(state, NOW, { NOW })
    check.between(state.hi, 0, 0, learned)
    check.between(#table.concat(pace.fields(state), ' '), 0, 1000, 'bytes')
  end
end)

check.that('nothing accepted for ten minutes leaves a line that moves', function()
  local state = support.run(support.started(0), NOW, NOW + 600 * SEC, none)
  check.between(state.next_us, NOW + 600 * SEC - SEC, NOW + 617 * SEC, 'next')
  state = support.run(state, NOW + 620 * SEC, NOW + 900 * SEC, all)
  check.between(state.pace, 10, 500, 'pace four minutes after')
end)

check.finish()
