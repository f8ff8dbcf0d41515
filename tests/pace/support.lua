-- support.lua - what the tests of pace.lua share.
local pace = require('shared_pace')

local support = {}

support.NOW_US = 1700000000 * 1000000
support.SEC = 1000000

-- The reply of HMGET to what pace.fields() wrote.
function support.values(fields)
  local by_name, values = {}, {}
  for i = 1, #fields, 2 do
    by_name[fields[i]] = fields[i + 1]
  end
  for i, name in ipairs(pace.FIELDS) do
    values[i] = by_name[name] or false
  end
  return values
end

-- Through the hash and back, as between two steps.
function support.stored(state)
  return pace.load(support.values(pace.fields(state)))
end

function support.started(per_sec, burst, max_per_sec, now_us)
  local state = pace.load({})
  pace.start(state, now_us or support.NOW_US, per_sec, burst or 1, max_per_sec or 500)
  return state
end

-- As claim.lua does it; returns the state as it stands in the hash then, and the slots.
function support.claim(state, now_us, want)
  pace.advance(state, now_us)
  local slots = pace.reserve(state, now_us, want)
  pace.commit(state, #slots)
  return support.stored(state), slots
end

-- As settle.lua does it.
function support.settle(state, now_us, list)
  pace.advance(state, now_us)
  pace.learn(state, now_us, list)
  return support.stored(state)
end

-- Answers to these slots: accepted, or not.
function support.answers(slots, accepted, retry_after_ms)
  local list = {}
  for i, slot_us in ipairs(slots) do
    list[i] = { slotUs = slot_us, accepted = accepted, retryAfterMs = retry_after_ms }
  end
  return list
end

-- Claims and settles for a while: accepts(slot_us) says what the API does; every slot counts.
function support.run(state, from_us, to_us, accepts, on_step)
  local now_us = from_us
  while now_us < to_us do
    local slots
    state, slots = support.claim(state, now_us, 256)
    local list = {}
    for i, slot_us in ipairs(slots) do
      list[i] = { slotUs = slot_us, accepted = accepts(slot_us) }
    end
    now_us = now_us + 250000
    state = support.settle(state, now_us, list)
    if on_step then
      on_step(state, now_us, slots)
    end
  end
  return state, now_us
end

return support
