--[[
simulation.lua - a fleet with an endless queue, the shared pace, and an API that limits; in virtual time.

Instances claim slots, send each request at its slot, and settle the answers 50 ms after the first of
them came. Times in seconds; the pace sees whole microseconds of a server clock, as in Redis.

Case     limiter, options   a maker of limiters.lua and its options
         limit              requests a second that the API allows (concurrent: requests at once)
         per_sec, burst, max_per_sec   what the fleet was told; per_sec 0: nothing
         instances, duration_sec, seed
         measure_from_sec   when absent: known 10 s; unknown 60 s, and below 20/s after 200 requests
         retry_after        the API sends Retry-After, whole seconds
         headers            it says how many requests are left and when all are there again, whole seconds: 'all':
                            on each answer, 'accepted': not on 429s; and what it says may be wrong:
         lie_sec            its headers say that none is left for so long, always
         change_at_sec, change_factor   the limit changes
         idle_from_sec, idle_for_sec    the queue is empty
         kill_at_sec, kill_count        so many instances die with slots in hand
         latency_sec, latency_sigma, way_sec, way_sigma   log-normal; way: until the limiter sees a request
         stray              share of requests that are refused whatever the rate
         stall_every_sec, stall_sec     a busy machine: so often (mean; 0: never) the instances do nothing for so
                            long (mean); what is late then keeps its distances (pacer.lua)
         jam_every_sec, jam_sec         a busy network: nothing gets through to the API, and then all at once
Result   share  of the limit that was used      refused  share of 429s (both while measured)
         found  seconds until the first 5 s (or 50 requests) with 95 % used and at most 5 % 429s, or nil
         sent, pace, worst_sec (most accepted or refused requests within one second)
]]
local event_queue = require('event_queue')
local limiters = require('limiters')
local pace = require('shared_pace')
local pacer = require('pacer')
local random = require('random')

local simulation = {}

local EPOCH_US = 1700000000 * 1000000
local MAX_CLAIM = 256
local SETTLE_AFTER_SEC = 0.050
local SLOT_GRACE_SEC = 0.250   -- core/timing.c

local DEFAULTS = { per_sec = 0, burst = 1, max_per_sec = 100000, instances = 4, seed = 1, latency_sec = 0.120,
  latency_sigma = 0.5, way_sec = 0.015, way_sigma = 0.3, change_factor = 1, idle_for_sec = 0, stray = 0,
  stall_every_sec = 0, stall_sec = 0.060, jam_every_sec = 0, jam_sec = 0.060 }

local function clock_us(now)
  return EPOCH_US + math.floor(now * 1000000)
end

-- Counts what the result is made of.
local function new_meter(case)
  local bin_sec = case.limiter == 'concurrent' and 5 or math.max(5, 50 / case.limit)
  local meter = { sent = 0, accepted = 0, refused = 0, held_sec = 0, held = 0, bins = {} }
  local first_sec = case.measure_from_sec or (case.per_sec > 0 and 10 or 60)
  local first_request = (case.per_sec == 0 and case.limit < 20 and not case.measure_from_sec) and 200 or 0

  function meter.count(now, accepted, limit)
    meter.sent = meter.sent + 1
    if not meter.began and now >= first_sec and meter.sent >= first_request then
      meter.began = now
    end
    local index = math.floor(now / bin_sec)
    local bin = meter.bins[index] or { accepted = 0, refused = 0, limit = limit }
    meter.bins[index] = bin
    local key = accepted and 'accepted' or 'refused'
    bin[key] = bin[key] + 1
    if meter.began then
      meter[key] = meter[key] + 1
    end
  end

  local function found(from_sec)
    for index = math.ceil(from_sec / bin_sec), math.floor(case.duration_sec / bin_sec) - 1 do
      local bin = meter.bins[index]
      if bin and bin.accepted >= 0.95 * bin.limit * bin_sec
        and bin.refused <= 0.05 * (bin.accepted + bin.refused) then
        return (index + 1) * bin_sec - from_sec
      end
    end
  end

  function meter.result(limit, state)
    if case.limiter == 'concurrent' then
      limit = case.limit / (meter.held_sec / meter.held)
    end
    local span = case.duration_sec - (meter.began or case.duration_sec)
    if case.idle_from_sec and meter.began and case.idle_from_sec >= meter.began then
      span = span - case.idle_for_sec
    end
    local from_sec = case.change_at_sec or (case.idle_from_sec and case.idle_from_sec + case.idle_for_sec) or 0
    return { share = span > 0 and meter.accepted / (limit * span) or 0,
      refused = meter.refused / math.max(1, meter.accepted + meter.refused),
      found = found(from_sec), sent = meter.sent, pace = state.pace }
  end

  return meter
end

-- One run of a case.
local function new_run(given)
  local case = {}
  for _, source in ipairs({ DEFAULTS, given }) do
    for name, value in pairs(source) do
      case[name] = value
    end
  end
  local run = { case = case, state = pace.load({}), queue = event_queue.new(), dice = random.new(case.seed),
    limit = case.limit, stalled_until = 0, jammed_until = 0, claims = 0, meter = new_meter(case), instances = {} }
  run.limiter = limiters[case.limiter](case.limit, case.options or {})
  run.wall_offset = 1000 + run.dice.uniform()   -- where the windows lie
  pace.start(run.state, clock_us(0), case.per_sec, case.burst, case.max_per_sec)
  return run
end

local settle, depart, answer, arrive, go, claim, stall, jam

-- Whether the machine stands still; what was to be done is done when it goes on.
local function is_stalled(run, now, event)
  if now < run.stalled_until then
    run.queue.push(run.stalled_until, event)
    return true
  end
end

function settle(run, now, event)
  if is_stalled(run, now, event) then
    return
  end
  local instance = event.instance
  instance.settling = false
  if instance.dead then
    return
  end
  local now_us = clock_us(now)
  pace.advance(run.state, now_us)
  pace.learn(run.state, now_us, instance.answers)
  instance.answers = {}
end

function depart(run)
  run.limiter.depart()
end

function answer(run, now, event)
  if is_stalled(run, now, event) then
    return
  end
  local instance = event.instance
  instance.answers[#instance.answers + 1] = event.answer
  if #instance.answers >= MAX_CLAIM then
    settle(run, now, event)
  elseif not instance.settling then
    instance.settling = true
    run.queue.push(now + SETTLE_AFTER_SEC, { run = settle, instance = instance })
  end
end

-- What the daemon reads from the headers: nothing unless they say that none is left.
local function note_headers(run, now, answer)
  local left, reset_sec = run.limiter.quota(run.wall_offset + now)
  if run.case.lie_sec then
    left, reset_sec = 0, run.case.lie_sec
  end
  if left == 0 then
    answer.resetMs = math.ceil(reset_sec) * 1000
  end
end

-- The request reaches the limiter.
function arrive(run, now, event)
  if now < run.jammed_until then
    run.queue.push(run.jammed_until, event)
    return
  end
  local accepted, wait_sec, held_back = false, 1, 0
  if run.case.stray == 0 or run.dice.uniform() >= run.case.stray then
    accepted, wait_sec, held_back = run.limiter.admit(run.wall_offset + now)
  end
  run.meter.count(now, accepted, run.limit)
  if run.case.on_request then
    run.case.on_request(now, accepted, run.state)
  end
  local way, case = now - event.sent, run.case
  local done
  if accepted then
    local latency = math.max(run.dice.log_normal(case.latency_sec, case.latency_sigma), 2 * way)
    done = event.sent + latency + (held_back or 0)
    if run.limiter.depart then
      run.queue.push(math.max(now, done - way), { run = depart })
      run.meter.held_sec, run.meter.held = run.meter.held_sec + latency - 2 * way, run.meter.held + 1
    end
  else
    done = event.sent + 2 * way + run.dice.log_normal(0.020, 0.5)
  end
  event.answer.accepted = accepted
  if case.headers == 'all' or case.headers and accepted then
    note_headers(run, now, event.answer)
  end
  if case.retry_after and not accepted then
    event.answer.retryAfterMs = math.max(1, math.ceil(wait_sec)) * 1000
  end
  event.run = answer
  run.queue.push(math.max(now, done), event)
end

local function send(run, due, instance, slot_us)
  local sent = due + run.dice.exponential(0.0003)
  run.queue.push(sent + run.dice.log_normal(run.case.way_sec, run.case.way_sigma),
    { run = arrive, instance = instance, sent = sent, answer = { slotUs = slot_us } })
end

-- The instance's timer: its first job goes if it is due, or else when it is.
function go(run, now, event)
  if is_stalled(run, now, event) then
    return
  end
  local line = event.instance.pacer
  line.drop(now - SLOT_GRACE_SEC)
  local due = line.due()
  if due and due > now then
    run.queue.push(due, event)
  elseif due then
    send(run, now, event.instance, line.take(now).slot_us)
  end
end

-- Where nothing stalls nothing is late, so nothing need be held.
local function hold(run, now, instance, slot_us)
  local slot = (slot_us - EPOCH_US) / 1000000
  local earliest = math.max(slot, now + 0.001)
  if run.case.stall_every_sec == 0 then
    send(run, earliest, instance, slot_us)
    return
  end
  instance.pacer.add({ slot = slot, slot_us = slot_us, claim = run.claims })
  run.queue.push(earliest, { run = go, instance = instance })
end

local function is_idle(case, now)
  return case.idle_from_sec and now >= case.idle_from_sec and now < case.idle_from_sec + case.idle_for_sec
end

function claim(run, now, event)
  local instance, case, dice = event.instance, run.case, run.dice
  if is_idle(case, now) then
    run.queue.push(case.idle_from_sec + case.idle_for_sec + 0.002 * dice.uniform(), event)
    return
  end
  if is_stalled(run, now, event) then
    return
  end
  run.claims = run.claims + 1
  local now_us = clock_us(now)
  pace.advance(run.state, now_us)
  local slots = pace.reserve(run.state, now_us, MAX_CLAIM)
  pace.commit(run.state, #slots)
  if case.kill_at_sec and now >= case.kill_at_sec and instance.number <= case.kill_count then
    instance.dead = true   -- the slots die with it
    return
  end
  for _, slot_us in ipairs(slots) do
    hold(run, now, instance, slot_us)
  end
  local wait_sec = pace.wait_ms(run.state, now_us, MAX_CLAIM) / 1000
  wait_sec = wait_sec + 0.004 * dice.uniform() + 0.1 * dice.uniform() * wait_sec
  run.queue.push(now + math.max(0.002, wait_sec), event)
end

function stall(run, now, event)
  run.stalled_until = now + run.dice.exponential(run.case.stall_sec)
  run.queue.push(run.stalled_until + run.dice.exponential(run.case.stall_every_sec), event)
end

function jam(run, now, event)
  run.jammed_until = now + run.dice.exponential(run.case.jam_sec)
  run.queue.push(run.jammed_until + run.dice.exponential(run.case.jam_every_sec), event)
end

local function change(run)
  run.limit = run.case.limit * run.case.change_factor
  run.limiter.set_rate(run.limit)
end

-- Runs a case and returns its result.
function simulation.run(case)
  local run = new_run(case)
  for number = 1, run.case.instances do
    local instance = { number = number, answers = {}, pacer = pacer.new() }
    run.queue.push(0.01 * run.dice.uniform(), { run = claim, instance = instance })
  end
  if case.change_at_sec then
    run.queue.push(case.change_at_sec, { run = change })
  end
  if run.case.stall_every_sec > 0 then
    run.queue.push(run.dice.exponential(run.case.stall_every_sec), { run = stall })
  end
  if run.case.jam_every_sec > 0 then
    run.queue.push(run.dice.exponential(run.case.jam_every_sec), { run = jam })
  end
  while true do
    local now, event = run.queue.pop()
    if not now or now > case.duration_sec then
      break
    end
    event.run(run, now, event)
  end
  return run.meter.result(run.limit, run.state)
end

return simulation
