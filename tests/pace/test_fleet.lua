#!/usr/bin/env lua5.1
-- test_fleet.lua - a simulated fleet that loses instances, rests, or is given new settings keeps the limit.
package.path = 'tests/pace/?.lua;' .. package.path
local check = require('check')
local measure = require('measure')
local pace = require('shared_pace')
local simulation = require('simulation')
local support = require('support')

-- Runs a case; returns what was sent in each second, and altogether.
local function sent_per_second(case)
  local seconds, total = {}, 0
  case.on_request = function(now)
    local second = math.floor(now)
    seconds[second] = (seconds[second] or 0) + 1
    total = total + 1
  end
  simulation.run(case)
  return seconds, total
end

local function busiest(seconds)
  local most = 0
  for _, count in pairs(seconds) do
    most = math.max(most, count)
  end
  return most
end

check.that('half the fleet killed with slots in hand: no burst, and only those slots are lost', function()
  local seconds, total = sent_per_second({ limiter = 'token', options = { burst_sec = 0.1 }, limit = 100, per_sec = 100,
    instances = 8, kill_at_sec = 60, kill_count = 4, duration_sec = 120, seed = 31 })
  check.between(busiest(seconds), 95, 104, 'requests in the busiest second')
  check.between(total, 99.5 * 120 - 25 - 4, 99.5 * 120 + 1, 'requests in two minutes')
end)

check.that('after idling there is no burst', function()
  local seconds = sent_per_second({ limiter = 'token', options = { burst_sec = 0.1 }, limit = 100, per_sec = 100,
    instances = 16, idle_from_sec = 30, idle_for_sec = 60, duration_sec = 120, seed = 32 })
  check.equal(seconds[60], nil, 'requests in the middle of the idle time')
  check.between(busiest(seconds), 95, 104, 'requests in the busiest second')
end)

check.that('after a stall of the machine what is late keeps its distances', function()
  local last, close = 0, 0
  simulation.run({ limiter = 'token', options = { burst_sec = 1 }, limit = 200, per_sec = 200, instances = 1, way_sec = 0.001,
    way_sigma = 0.01, stall_every_sec = 3, stall_sec = 0.100, duration_sec = 60, seed = 37, on_request = function(now)
      close = now - last < 0.002 and close + 1 or 0
      check.between(close, 0, 8, 'requests within 2 ms of each other')
      last = now
    end })
end)

check.that('sixteen instances send what one would', function()
  local one = simulation.run({ limiter = 'fixed', options = { window_sec = 1 }, limit = 50, per_sec = 50, instances = 1,
    duration_sec = 60, seed = 33 })
  local many = simulation.run({ limiter = 'fixed', options = { window_sec = 1 }, limit = 50, per_sec = 50, instances = 16,
    duration_sec = 60, seed = 33 })
  check.between(many.sent, one.sent - 15, one.sent + 15, 'requests of sixteen instances and of one')
end)

local extremes = {}
for _, instances in ipairs({ 1, 16 }) do
  for _, case in ipairs({ { limiter = 'token', options = { burst_sec = 20 }, limit = 0.1, duration_sec = 10000 },
    { limiter = 'fixed', options = { window_sec = 60 }, limit = 0.1, duration_sec = 10000 },
    { limiter = 'token', options = { burst_sec = 0.1 }, limit = 10000, duration_sec = 20 },
    { limiter = 'fixed', options = { window_sec = 1 }, limit = 10000, duration_sec = 20 } }) do
    case.per_sec, case.instances = case.limit, instances
    case.name = string.format('%s %g/s, %d', case.limiter, case.limit, instances)
    table.insert(extremes, case)
  end
end
check.rows('a limit of one in ten seconds is used as one of ten thousand a second is', extremes, function(case)
  local worst = measure.worst(case, { 34 })
  if not measure.holds(worst, { share = 0.99, refused = 0.01 }) then
    error('got ' .. measure.text(worst), 0)
  end
end)

check.that('runs with one seed are the same, with two they are not', function()
  local function run(seed)
    local result = simulation.run({ limiter = 'sliding', options = { window_sec = 1 }, limit = 50, duration_sec = 60, seed = seed })
    return string.format('%d %.17g %.17g', result.sent, result.share, result.pace)
  end
  check.equal(run(34), run(34), 'result')
  if run(34) == run(35) then
    error('seed 35 gives the result of seed 34')
  end
end)

check.that('the simulation goes through the hash with no other result', function()
  local case = { limiter = 'token', options = { burst_sec = 1 }, limit = 50, duration_sec = 60, seed = 36 }
  local plain = simulation.run(case)
  local advance = pace.advance
  pace.advance = function(state, now_us)
    for name, value in pairs(support.stored(state)) do
      state[name] = value
    end
    advance(state, now_us)
  end
  local stored = simulation.run(case)
  pace.advance = advance
  check.equal(stored.sent, plain.sent, 'sent')
  check.equal(stored.pace, plain.pace, 'pace')
end)

check.finish()
