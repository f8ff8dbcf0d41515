--[[
pace_learn.lua - what the fleet's pace learns from answers: a controller that finds a limit that is not known.

A pace is on trial for some answers. Few 429s: it is the new base, and a higher one is tried. Many: back, and
`hi` remembers where it failed. Between base and hi it searches, in growing steps; once they are close it waits,
longer the more 429s the last try cost, and then tries freely beyond hi. Nothing accepted at all: one request at
a time until one is; how long that took tells that the API counts in long windows, and from then on a trial lasts
as long. Cut after cut and still 429s: a third of the pace for a while shows which of them have another cause.
429s of one trial only may be a clump of requests that came late: the base is cut when trial after trial has some.
A bold probe that draws a few goes on from what it bore: at the limit it would draw many.
tests/pace/tables.lua prints what a change does to the figures. Pure, as pace.lua is, which has the state.

A function, called by pace_answers.lua.
]]

local limited, ceiling = pace.limited, pace.ceiling
local SEC, SKIP_US, MAX_DARK_US = pace.SEC, pace.SKIP_US, pace.MAX_DARK_US
local MAX_RETRY_MS, DISBELIEVED_US = pace.MAX_RETRY_MS, pace.DISBELIEVED_US
local MAX_STRAY = 0.05
local MAX_WINDOW_US = 60 * SEC -- beyond it a trial would take too long
local LONG_RETRY_MS = 2000     -- a Retry-After beyond 2 s is a window that ran out
local CYCLE_US = 10 * SEC      -- shortest cycle worth a rate
local SEARCH_END = 1.05
local MAX_FREE_STEP = 0.32     -- a full bucket lets a free probe climb; each further step costs more when it is empty
local FLOOD_STEPS = 4          -- how much bolder the search is after a cut that may be far too deep
local FLOOD_SEC = 0.6          -- a clump of requests that were held up for 0.25 s is none
local FLOOD_ANSWERS = 20       -- at 20/s that is a whole second: the end of a window looks worse than it is
local LIGHT_PART = 0.25        -- a step of 16 % beyond the limit draws 14 % of 429s: 3 % of them did not come from it
local STRIKES, BIG_SHARE = 3, 0.25   -- a share that no clump has within a second needs no second trial
local SMALL_CUT, DOUBT_BELOW = 0.2, 0.7   -- small cuts that took this share of the peak are doubted
local DOUBT_PART, DOUBT_STAYS, DOUBT_ANSWERS = 3, 0.5, 600   -- where jitter is the cause, a third would stay
local STRAY_FADES = 0.02
local SHORT_STOP_US, LONG_STOP_US, OUTAGE_US = 2 * SEC, 5 * SEC, 120 * SEC
local WINDOW_KEPT_US = 3600 * SEC  -- it may have been an outage

-- What differs between a known and an unknown limit. search: how much bolder than a free probe, for hi bounds it.
-- again: how much deeper a cut is that follows another with no clean trial between; jitter alone is not in proportion.
local KNOWN = { target = 0.008, margin = 0.995, search = 16, judged = 400, again = 2 }
local UNKNOWN = { target = 0.01, margin = 0.98, search = 4, judged = 50, again = 1 }

local function rules(state)
  return state.per_sec > 0 and KNOWN or UNKNOWN
end

-- What is absurd in what was learned is brought near: it must neither stop the line nor break the limit.
local function heal(state, now_us)
  if state.step == 0 then
    state.step = pace.first_step(state)
  end
  state.step, state.stray, state.least = math.min(state.step, 1), math.min(state.stray, MAX_STRAY), math.min(state.least, 1)
  state.wait_us, state.stop_us = math.min(state.wait_us, now_us + 11 * MAX_RETRY_MS * 1000), math.min(state.stop_us, now_us)
  state.shut_us = math.min(state.shut_us, now_us + MAX_RETRY_MS * 1000)
  state.lied_us = math.min(state.lied_us, now_us + DISBELIEVED_US)
  state.window_us = math.min(state.window_us, MAX_WINDOW_US)
  state.proven, state.peak = math.min(state.proven, ceiling(state)), math.min(state.peak, ceiling(state))
end

local function begin(state, now_us, skip_us)
  state.from_us = math.max(state.next_us, now_us) + skip_us
  state.ok, state.thr, state.dry_us, state.first = 0, 0, 0, 0
end

local function set_peak(state, rate)
  state.peak, state.seen, state.seen_thr = rate, 0, 0
end

local function failed(state, now_us, to)
  if state.peak == 0 or to < (1 - SMALL_CUT) * state.base then
    set_peak(state, limited(state, to))
  end
  state.hi, state.pace = state.pace, limited(state, to)
  state.base, state.step = state.pace, pace.first_step(state)
  state.calm, state.wait_us, state.doubt, state.strikes = 0, now_us, 0, 0
  begin(state, now_us, SKIP_US)
end

local function is_probing(state)
  return state.pace > state.base
end

-- The pace that would have drawn no 429s, were they in proportion.
local function without(state, refused)
  return state.pace * (1 - refused) * rules(state).margin
end

-- A free probe that climbed lived on what a bucket had saved. If it bore no more than where it began, it goes back
-- there, and what lies between is not searched: that would cost more than the climb.
local function probe_failed(state, now_us, refused)
  local has_climbed = state.hi == 0 and state.proven > 0 and state.base > SEARCH_END * state.proven
  failed(state, now_us, math.max(has_climbed and state.proven or state.base, without(state, refused)))
  if has_climbed and state.base <= SEARCH_END * state.proven then
    state.hi = math.min(state.hi, SEARCH_END * state.base)
  end
end

-- A pace that the cycle which ends at end_us would have borne, if it was long enough to tell; else half the pace.
local function cycle_pace(state, end_us)
  local cycle_us = end_us - state.since_us
  local accepted = state.acc / math.max(1, cycle_us / SEC) * rules(state).margin
  return math.min(state.pace, math.max(accepted, state.pace / (cycle_us >= CYCLE_US and 16 or 2)))
end

-- A stop of minutes is an outage, or a window too long to wait for.
local function note_window(state, length_us)
  if length_us > SHORT_STOP_US and length_us < OUTAGE_US then
    state.window_us = math.min(MAX_WINDOW_US, math.max(state.window_us, length_us))
  end
end

-- The counts of a trial start at its first 429, so that a full bucket does not flatter the pace.
local function note_first_refusal(state, list)
  local first_us
  for _, answer in ipairs(list) do
    if not answer.accepted and answer.slotUs >= state.from_us then
      first_us = math.min(first_us or answer.slotUs, answer.slotUs)
    end
  end
  if first_us then
    state.first, state.from_us, state.ok, state.thr = 1, first_us, 0, 0
  end
end

-- How long a 429 asks to wait, in ms: by Retry-After, or by headers about the limit that were not caught lying and
-- are not being tested.
local function wait_asked(state, now_us, answer)
  local is_doubtful = state.lied_us > now_us or answer.slotUs < state.shut_us
  local reset_ms = is_doubtful and 0 or answer.resetMs or 0
  return math.min(math.max(answer.retryAfterMs or 0, reset_ms), MAX_RETRY_MS)
end

-- Adds the answers to cycle and trial, whatever their order; returns the longest wait that their 429s ask for, in ms.
local function tally(state, now_us, list)
  local retry_ms = 0
  if state.first == 0 then
    note_first_refusal(state, list)
  end
  for _, answer in ipairs(list) do
    local refused = answer.accepted and 0 or 1
    state.acc, state.cost = state.acc + 1 - refused, state.cost + refused
    state.seen, state.seen_thr = state.seen + 1, state.seen_thr + refused
    if answer.slotUs >= state.from_us then
      state.ok, state.thr = state.ok + 1 - refused, state.thr + refused
    end
    retry_ms = math.max(retry_ms, refused * wait_asked(state, now_us, answer))
  end
  return retry_ms
end

-- Everything is refused: single requests until one is accepted. If it was no probe, base is to blame (hi 0).
local function stop(state, now_us)
  if is_probing(state) then
    state.hi, state.pace = state.pace, state.base
  else
    state.hi = 0
  end
  state.stop_us, state.shut_us = state.from_us, 0
  state.dark_us, state.next_us = SEC, now_us + SEC
  begin(state, now_us, 0)
end

local function resume(state, now_us)
  local stopped_us = now_us - state.stop_us
  note_window(state, stopped_us)
  state.dark_us, state.next_us = 0, now_us
  if state.hi == 0 or stopped_us >= LONG_STOP_US then
    local hi = state.hi
    failed(state, now_us, cycle_pace(state, now_us))
    -- above the base in any case: a base that failed is no reason to probe at once
    state.hi, state.proven = math.max(state.hi, hi, SEARCH_END * state.pace), state.pace
  else
    state.calm, state.wait_us = 0, now_us
    begin(state, now_us, 0)
  end
  state.since_us, state.acc = now_us, 0
end

local function learn_dark(state, now_us)
  if state.ok > 0 then
    resume(state, now_us)
  elseif state.thr > 0 then
    state.dark_us = math.min(2 * state.dark_us, MAX_DARK_US)
    state.next_us = now_us + state.dark_us
    begin(state, now_us, 0)
  end
end

-- A window ran out, and the API says when it opens: the line stands still until then.
local function learn_window(state, now_us, retry_ms)
  local retry_us = retry_ms * 1000
  local end_us = now_us + retry_us
  local to = end_us - state.since_us >= CYCLE_US and cycle_pace(state, end_us) or state.base
  note_window(state, retry_us)
  state.stop_us, state.shut_us = now_us, end_us
  state.next_us = math.max(state.next_us, end_us)
  state.since_us, state.acc = end_us, 0
  failed(state, now_us, to)
  state.wait_us = end_us + 10 * retry_us
end

-- A window ran out by the headers of an accepted answer. What was accepted since the last one opened tells the rate;
-- a base that did not run out of it stays.
local function learn_closed(state, now_us)
  local borne = cycle_pace(state, state.shut_us)
  note_window(state, state.shut_us - now_us)
  if borne < state.pace then
    failed(state, now_us, is_probing(state) and math.max(state.base, borne) or borne)
  end
end

-- Answers of a window that is said to be closed are no measure of the pace: cycle and trial begin after it.
local function learn_headers(state, now_us, heard, retry_ms)
  if heard == 'closed' then
    learn_closed(state, now_us)
  end
  if retry_ms > LONG_RETRY_MS and state.thr > 0 then
    state.next_us = math.max(state.next_us, now_us + retry_ms * 1000)
  end
  state.since_us, state.acc = math.max(now_us, state.shut_us), 0
  begin(state, now_us, 0)
end

-- More than half refused. In a long window that is its end, and the share of 429s tells no rate.
local function learn_flood(state, now_us, judged)
  if judged < FLOOD_ANSWERS then
    return
  end
  if state.ok > 0 and state.window_us == 0 then
    if is_probing(state) then
      probe_failed(state, now_us, state.thr / judged)
    else
      failed(state, now_us, state.pace * math.max(1 / 8, 1 - state.thr / judged))
    end
    state.step = FLOOD_STEPS * state.step
  elseif judged >= state.pace then
    stop(state, now_us)
  end
end

-- How many answers a verdict needs.
local function needed(state)
  local judged = rules(state).judged
  if is_probing(state) then
    judged = math.min(judged, math.max(10, 2 / (state.pace / state.base - 1)))
  elseif state.hi > SEARCH_END * state.base then
    judged = 20
  elseif state.step >= 1 then
    judged = 10
  end
  return math.max(judged, state.pace * math.max(pace.trial_sec(state), state.window_us / SEC))
end

local function search(state)
  state.step = math.min(2 * state.step, 1)
  local bold = state.base * (1 + rules(state).search * state.step)
  state.pace = limited(state, math.min((state.base + state.hi) / 2, bold))
end

-- Wait 200 answers for each 429 that the last free probe cost, but not for ever: the limit may have grown.
local function wait_over(state, now_us)
  local answers = math.min(200 * state.cost, math.max(60 * state.base, 900))
  return state.calm >= 2 and now_us - state.wait_us >= math.max(30, answers / state.base) * SEC
end

-- The trial was clean: keep the pace, and look for a higher one.
local function learn_clean(state, now_us)
  state.base = state.pace
  state.calm = state.calm + 1
  -- a trial too short to have shown the share that is in question clears nobody of it
  if state.least * (state.ok + state.thr) >= 1.5 then
    state.strikes = math.max(0, state.strikes - 1)
  end
  if state.calm >= 2 and state.base > state.peak then
    set_peak(state, state.base)
  end
  state.window_us = now_us - state.stop_us > WINDOW_KEPT_US and 0 or state.window_us
  state.hi = state.hi > state.base and state.hi or 0
  if state.hi > SEARCH_END * state.base then
    search(state)
    return
  elseif state.hi == 0 then
    state.step = math.min(2 * state.step, state.step >= 1 and 1 or MAX_FREE_STEP)
  elseif wait_over(state, now_us) then
    state.hi, state.cost, state.proven, state.step = 0, 0, state.base, pace.first_step(state)
  else
    return
  end
  state.pace = limited(state, state.base * (1 + state.step))
end

-- Small cuts that do not help: which share of 429s stays at a fraction of the pace?
local function doubt(state, now_us, to)
  local peak, share = state.peak, state.seen_thr / state.seen
  failed(state, now_us, to / DOUBT_PART)
  state.peak, state.doubt = peak, share
end

-- A share that stayed is allowed from now on, and the pace is what it was before the cuts. No more than was in
-- doubt: that was counted over far more answers, and to allow too much is to stay above the limit for good.
local function learn_doubt(state, now_us, judged)
  if judged < math.min(DOUBT_ANSWERS, 15 / state.doubt) then
    return
  end
  local share, hi, to = state.thr / judged, state.hi, DOUBT_PART * state.pace
  if share >= math.max(rules(state).target / 4, DOUBT_STAYS * state.doubt) then
    state.stray, to = math.min(share, state.doubt, MAX_STRAY), state.peak
  end
  failed(state, now_us, to)
  set_peak(state, state.pace)
  state.hi = math.max(hi, state.pace)
end

-- 429s of this trial beyond what strays and their scatter explain.
local function to_blame(state, judged)
  local strays = state.stray * judged
  return state.thr - strays - 2 * math.sqrt(strays)
end

--[[
What a pace on trial is to blame for; nil if that is not sure yet. Requests that were held up on their way come at once,
and a small bucket refuses many of them: one trial of the base does not tell such a clump from a pace too high. Several
do, and the smallest share in them is the pace's.
]]
local function confirmed(state, refused)
  if refused >= BIG_SHARE or state.window_us > 0 then
    return refused
  end
  state.least = state.strikes > 0 and math.min(state.least, refused) or refused
  state.strikes = state.strikes + 1
  return state.strikes >= STRIKES and state.least or nil
end

local function learn_base_refused(state, now_us, refused)
  local share = confirmed(state, refused)
  if not share then
    begin(state, now_us, 0)
    return
  end
  local is_again = state.calm == 0 and state.hi > 0
  local to = without(state, is_again and math.min(rules(state).again * share, 0.5) or share)
  if share < SMALL_CUT and state.window_us == 0 and to < DOUBT_BELOW * state.peak then
    doubt(state, now_us, to)
  else
    failed(state, now_us, to)
  end
end

-- Were the limit below the base, a step this bold would have shown several times as many.
local function is_light(state, refused)
  return is_probing(state) and refused <= math.min(MAX_STRAY, LIGHT_PART * (1 - state.base / state.pace))
end

local function learn_refused(state, now_us, refused)
  if is_light(state, refused) then
    state.pace, state.step = math.max(state.base, without(state, refused)), state.step / 2
    learn_clean(state, now_us)
    begin(state, now_us, 0)
  elseif is_probing(state) then
    probe_failed(state, now_us, refused)
  else
    learn_base_refused(state, now_us, refused)
  end
end

local function learn_trial(state, now_us, judged)
  local target, need, blame = rules(state).target, needed(state), to_blame(state, judged)
  local early = state.window_us == 0 and blame >= math.max(3, target * need) and judged >= math.max(20, state.pace)
  if judged < need and not early then
    return
  end
  if blame > target * judged then
    -- one 429 is no verdict on a probe, nor are two on the base
    if state.thr >= (is_probing(state) and 2 or 3) or judged >= 2 / target then
      learn_refused(state, now_us, blame / judged)
    end
    return
  end
  -- a line that was not busy teaches nothing
  if state.dry_us < 0.1 * judged / state.pace * SEC then
    state.stray = state.stray + STRAY_FADES * math.min(0, state.thr / judged - state.stray)
    learn_clean(state, now_us)
  end
  begin(state, now_us, 0)
end

-- A small probe into a limit shows soon: no need to wait for the whole trial.
local function is_lost_probe(state, judged)
  return is_probing(state) and state.pace < 1.25 * state.base and state.thr >= math.max(3, 0.1 * state.pace)
    and state.thr > judged / 4
end

function pace.judge(state, now_us, list)
  heal(state, now_us)
  local heard, retry_ms = pace.hear(state, now_us, list), tally(state, now_us, list)
  local judged = state.ok + state.thr
  if heard then
    learn_headers(state, now_us, heard, retry_ms)
  elseif state.dark_us > 0 then
    learn_dark(state, now_us)
  elseif retry_ms > LONG_RETRY_MS and state.thr > 0 then
    learn_window(state, now_us, retry_ms)
  elseif judged >= math.max(10, FLOOD_SEC * state.pace) and state.thr > judged / 2 then
    learn_flood(state, now_us, judged)
  elseif is_lost_probe(state, judged) then
    probe_failed(state, now_us, state.thr / judged)
  elseif state.doubt > 0 then
    learn_doubt(state, now_us, judged)
  else
    learn_trial(state, now_us, judged)
  end
end
