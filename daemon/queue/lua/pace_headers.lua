--[[
pace_headers.lua - what the API's headers on accepted answers say of its limit: nothing is left until some time is over.

The line then stands still until then, before a 429 is drawn. Headers may lie, though: some say 0 always, and a fleet
that believed it would send one request per reset for ever. So some of these claims are tested: single requests go out
after 1, 2, 4, ... 16 s, until one is refused late enough. An answer accepted from within the time that was called
closed, tested or not, makes the headers disbelieved for an hour. Pure, as pace.lua is, which has the state.
]]

local SEC, MAX_DARK_US, HORIZON_US = pace.SEC, pace.MAX_DARK_US, pace.HORIZON_US
local MAX_RETRY_MS = 600000
local DISBELIEVED_US = 3600 * SEC   -- the API's headers may become better or worse
local LONG_RESET_MS = pace.LONG_RESET_MS
local OVERTAKE_US = 250000     -- requests overtake each other on their way
local PROOF_PART = 3           -- refused after a third of the closed time: it is no bucket that fills meanwhile
local TESTED_EACH = 32

-- A window that is said to be used up, from the first answer that says so, whatever their order. One whose end is
-- known already is none: a 429, which comes back sooner, may have told.
local function note_claim(state, now_us, list)
  local slot_us, reset_ms = math.huge, 0
  for _, answer in ipairs(list) do
    if answer.accepted and (answer.resetMs or 0) > LONG_RESET_MS and answer.slotUs >= state.shut_us then
      slot_us, reset_ms = math.min(slot_us, answer.slotUs), math.max(reset_ms, answer.resetMs)
    end
  end
  if reset_ms == 0 then
    return false
  end
  state.stop_us, state.shut_us = slot_us, now_us + math.min(reset_ms, MAX_RETRY_MS) * 1000
  state.claims = state.claims + 1
  return true
end

-- The claims 1, 2, 4, 8, ... are tested, and each 32nd.
local function is_tested(state)
  local part = state.claims
  while part >= 2 and part % 2 == 0 do
    part = part / 2
  end
  return part == 1 or state.claims % TESTED_EACH == 0
end

-- What the answers from within the closed time show: 'lie', 'truth', 'refused' (too early to tell), or nothing.
local function verdict(state, list)
  local shown
  local proof_us = state.stop_us + (state.shut_us - state.stop_us) / PROOF_PART
  for _, answer in ipairs(list) do
    local is_inside = answer.slotUs < state.shut_us
    if is_inside and answer.accepted and answer.slotUs > state.stop_us + OVERTAKE_US then
      return 'lie'
    elseif is_inside and not answer.accepted and answer.slotUs >= state.from_us then
      shown = (shown == 'truth' or answer.slotUs >= proof_us) and 'truth' or 'refused'
    end
  end
  return shown
end

-- Whoever was given a slot before the line stood still has one within the horizon.
local function reopen(state, now_us)
  state.shut_us, state.dark_us = 0, 0
  state.next_us = math.min(state.next_us, now_us + HORIZON_US)
end

local function stand_still(state)
  state.dark_us = 0
  state.next_us = math.max(state.next_us, state.shut_us)
end

-- The next single request; dark_us is 0 before the first.
local function test(state, now_us)
  state.dark_us = math.min(MAX_DARK_US, math.max(SEC, 2 * state.dark_us))
  state.next_us = math.min(state.shut_us, now_us + state.dark_us)
end

--[[
Hears what the answers say of a closed window. Returns nil if that is nothing; 'closed': a window ran out, and what
was accepted in its cycle counts; 'unsure': no more than that these answers are no measure of the pace.
]]
function pace.hear(state, now_us, list)
  if state.lied_us > now_us then
    return nil
  end
  local claimed = note_claim(state, now_us, list)
  local shown = verdict(state, list)
  if shown == 'lie' then
    state.lied_us, state.claims = now_us + DISBELIEVED_US, 0
    reopen(state, now_us)
  elseif state.shut_us > now_us and claimed and not is_tested(state) then
    stand_still(state)
    return 'closed'
  elseif state.shut_us > now_us and claimed then
    state.dark_us = 0
    test(state, now_us)
  elseif state.shut_us > now_us and shown == 'refused' then
    test(state, now_us)
  elseif state.shut_us > now_us and shown == 'truth' then
    stand_still(state)
  elseif state.shut_us > 0 and state.shut_us <= now_us and state.dark_us > 0 then
    reopen(state, now_us)   -- its time is over, and no request showed it
  else
    return nil
  end
  return 'unsure'
end

pace.MAX_RETRY_MS, pace.DISBELIEVED_US = MAX_RETRY_MS, DISBELIEVED_US
