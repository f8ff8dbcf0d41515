#!/usr/bin/env lua5.1
-- test_headers.lua - what pace_headers.lua makes of headers on accepted answers, true ones and lies.
package.path = 'tests/pace/?.lua;' .. package.path
local check = require('check')
local simulation = require('simulation')
local support = require('support')
local NOW, SEC = support.NOW_US, support.SEC

local RATE = 20

-- A state in the middle of its work, at `RATE` a second, with slots handed out up to now.
local function working(more)
  local state = support.started(0, 1, 1000)
  state.pace, state.base, state.hi, state.proven = RATE, RATE, 1.02 * RATE, RATE
  state.wait_us, state.next_us, state.from_us, state.since_us = NOW, NOW, NOW - 5 * SEC, NOW - 5 * SEC
  for name, value in pairs(more or {}) do
    state[name] = value
  end
  return state
end

local function answer(slot_us, accepted, reset_ms)
  return { slotUs = slot_us, accepted = accepted, resetMs = reset_ms }
end

-- Nothing is left for 30 s; said by an answer to a request that was sent 200 ms ago.
local function claimed(state, reset_ms)
  return support.settle(state, NOW, { answer(NOW - 200000, true, reset_ms or 30000) })
end

local short = { { name = 'none', ms = 0 }, { name = '2 s', ms = 2000 } }
check.rows('a limit that is used up for a moment stops nothing', short, function(row)
  local state = claimed(working(), row.ms)
  check.equal(state.next_us, NOW, 'next')
  check.equal(state.claims, 0, 'claims')
end)

check.that('a window that is said to be used up stops the line, but for one request after a second', function()
  local state, slots = support.claim(claimed(working()), NOW + SEC - 300000, 256)
  check.equal(#slots, 0, 'slots before')
  state, slots = support.claim(state, NOW + SEC, 256)
  check.equal(#slots, 1, 'slots')
  state, slots = support.claim(state, NOW + SEC, 256)
  check.equal(#slots, 0, 'slots until it is answered')
end)

local lengths = { { name = '30 s', ms = 30000, sec = 30 }, { name = 'a day is ten minutes', ms = 86400000, sec = 600 },
  { name = 'absurd', ms = 1e300, sec = 600 } }
check.rows('a window is closed for as long as it is said, ten minutes at most', lengths, function(row)
  check.equal(claimed(working({ claims = 2 }), row.ms).next_us, NOW + row.sec * SEC, 'next')
end)

check.that('a test that is refused early is followed by others, until one is refused after a third of the time', function()
  local state, now = claimed(working()), NOW
  for _, gap in ipairs({ 1, 2, 4, 8 }) do
    check.equal(state.next_us, now + gap * SEC, 'the next test')
    now = state.next_us
    state = support.settle(state, now, { answer(now, false) })
  end
  check.equal(state.next_us, NOW + 30 * SEC, 'next')
  check.equal(state.dark_us, 0, 'no more tests')
  check.equal(state.lied_us, 0, 'disbelieved until')
end)

check.that('what was in flight and is refused is no test', function()
  local state = support.settle(claimed(working()), NOW + 50000, { answer(NOW - 100000, false) })
  check.equal(state.next_us, NOW + SEC, 'the first test')
  check.equal(state.cost, 1, 'cost')
end)

check.that('a claim is heard also after idling, which moves the start of the cycle', function()
  local state = support.started(0, 1, 1000)
  state = support.settle(state, NOW + 20 * SEC, {})
  state = support.settle(state, NOW + 20 * SEC, { answer(NOW + 19 * SEC, true, 30000) })
  check.equal(state.claims, 1, 'claims')
end)

check.that('an answer accepted from within the closed time makes the headers disbelieved for an hour', function()
  local state = claimed(working())
  local now = NOW + SEC
  state = support.settle(state, now, { answer(now, true, 30000) })
  check.equal(state.lied_us, now + 3600 * SEC, 'disbelieved until')
  check.between(state.next_us, now, now + 250000, 'next')
  check.equal(state.dark_us, 0, 'dark')
  check.equal(state.pace, RATE, 'pace')
  state = support.settle(state, now + SEC, { answer(now + SEC, true, 30000) })
  check.between(state.next_us, now, now + SEC, 'next after another claim')
  now = now + 3601 * SEC
  state = support.settle(state, now, { answer(now, true, 30000) })
  check.equal(state.shut_us, now + 30 * SEC, 'closed again until')
end)

local flights = { { name = 'sent 240 ms after it', us = 240000, lied = false }, { name = 'sent 260 ms after it', us = 260000, lied = true } }
check.rows('requests overtake each other: what was sent soon after proves no lie', flights, function(row)
  local state = claimed(working({ claims = 2 }))
  state = support.settle(state, NOW + 100000, { answer(NOW - 200000 + row.us, true) })
  check.equal(state.lied_us > 0, row.lied, 'disbelieved')
end)

check.that('answers of one settle can give themselves the lie, in any order', function()
  local list = { answer(NOW - SEC, true, 60000), answer(NOW - 600000, true, 60000), answer(NOW - 200000, true, 60000) }
  local state = support.settle(working(), NOW, list)
  check.equal(state.lied_us > NOW, true, 'disbelieved')
  list[1], list[3] = list[3], list[1]
  state = support.settle(working(), NOW, list)
  check.equal(state.lied_us > NOW, true, 'disbelieved')
end)

check.that('the claims 1, 2, 4, 8 and so on are tested, and each 32nd; the others are believed', function()
  local tested = {}
  for number = 1, 100 do
    local state = claimed(working({ claims = number - 1 }))
    check.equal(state.claims, number, 'claims')
    if state.dark_us > 0 then
      tested[#tested + 1] = number
    else
      check.equal(state.next_us, NOW + 30 * SEC, 'next')
    end
  end
  check.equal(table.concat(tested, ' '), '1 2 4 8 16 32 64 96', 'tested')
end)

check.that('a window that ran out is no 429: no count, no cut, and the search goes on', function()
  local state = claimed(working({ acc = 100, pace = 25, hi = 0, step = 0.16 }))
  check.equal(state.cost, 0, 'cost')
  check.equal(state.thr, 0, '429s of the trial')
  check.equal(state.base, RATE, 'base')
  check.equal(state.pace, 25, 'pace on trial')
  check.equal(state.hi, 0, 'hi')
end)

check.that('a probe that a window ran out in has failed, by headers that were tested, and the base stays', function()
  local state = claimed(working({ claims = 2, acc = 100, pace = 25, hi = 0, step = 0.16 }))
  check.equal(state.pace, RATE, 'pace')
  check.equal(state.hi, 25, 'hi')
  check.equal(state.cost, 0, 'cost')
end)

check.that('a window that a 429 told of, which comes back sooner, is not told again by the last answer accepted', function()
  local state = support.settle(working({ claims = 2, acc = 1180, since_us = NOW - 30 * SEC }), NOW, { answer(NOW - 1000, false, 30000) })
  local pace = state.pace
  state = claimed(state)
  check.equal(state.pace, pace, 'pace')
  check.equal(state.claims, 2, 'claims')
end)

check.that('what a whole cycle accepted tells its rate, once the headers were tested', function()
  local cycle = { acc = 600, since_us = NOW - 30 * SEC }
  check.equal(claimed(working(cycle)).pace, RATE, 'pace before')
  cycle.claims = 2
  local state = claimed(working(cycle))
  check.between(state.pace, 9.8, 9.85, 'pace: 601 accepted in 60 s')
  check.equal(state.window_us, 30 * SEC, 'window')
end)

check.that('a window that nobody tested opens by itself', function()
  local state, slots = support.claim(claimed(working()), NOW + 40 * SEC, 256)
  check.equal(#slots, 1, 'slots')
  state = support.settle(state, NOW + 41 * SEC, { answer(slots[1], true) })
  check.equal(state.dark_us, 0, 'dark')
  check.equal(state.lied_us, 0, 'disbelieved until')
  check.equal(state.pace, RATE, 'pace')
end)

check.that('a 429 with headers on the limit stops the line as Retry-After does', function()
  local state = support.settle(working(), NOW, { answer(NOW - 1000, false, 40000) })
  check.equal(state.next_us, NOW + 40 * SEC, 'next')
  state = support.settle(working({ lied_us = NOW + 60 * SEC }), NOW, { answer(NOW - 1000, false, 40000) })
  check.equal(state.next_us, NOW, 'next where they were caught lying')
end)

-- Runs a limit of so many a second; headers on every answer.
local function run(limiter, window_sec, limit, known, lie_sec)
  return simulation.run({ limiter = limiter, options = { window_sec = window_sec, burst_sec = window_sec }, limit = limit,
    per_sec = known and limit or 0, headers = 'all', lie_sec = lie_sec, duration_sec = 1500, measure_from_sec = 600, seed = 41 })
end

local liars = {}
for _, limiter in ipairs({ 'fixed', 'token' }) do
  for _, limit in ipairs({ 0.5, 2, 20 }) do
    for _, known in ipairs({ true, false }) do
      table.insert(liars, { name = limiter .. ' ' .. limit .. '/s, ' .. (known and 'known' or 'unknown'), limiter = limiter,
        limit = limit, known = known })
    end
  end
end
check.rows('an API that says 0 always, and an hour, is used all the same', liars, function(row)
  local result = run(row.limiter, 1, row.limit, row.known, 3600)
  check.between(result.share, 0.95, 1.02, 'share')
  check.between(result.refused, 0, 0.025, '429s')
end)

check.rows('the windows of an honest API are used, and hardly a 429 is drawn', {
  { name = '2/s', limit = 2 }, { name = '20/s', limit = 20 } }, function(row)
  for _, window_sec in ipairs({ 10, 60 }) do
    local result = run('fixed', window_sec, row.limit, false)
    check.between(result.share, 0.95, 1.02, 'share of windows of ' .. window_sec .. ' s')
    check.between(result.refused, 0, 0.015, '429s')
  end
end)

check.finish()
