--[[
pace_answers.lua - what the pace makes of answers: most settles only count them, and pace_learn.lua judges the rest. Pure, as
pace.lua is.

Answer   { slotUs, accepted, retryAfterMs, resetMs }, or its slot alone: accepted, with nothing more to say. Most are that, and
         a table of each would be most of what they cost.
]]
do
  local FEWEST_JUDGED = 10

  -- The slot of an answer that does no more than count as accepted; nil if it says more.
  local function slot_of(answer)
    if answer.accepted and (answer.resetMs or 0) <= pace.LONG_RESET_MS then
      return answer.slotUs
    end
  end

  --[[
  True if these answers only add to the counts of a trial that goes on, which is then done: all accepted, no 429 in this
  trial so far, no window closed. pace_learn.lua would do the same, but to have its functions takes longer than to count.
  ]]
  local function is_counted(state, list)
    local of_trial, shut_us, from_us = 0, state.shut_us, state.from_us
    for i = 1, #list do
      local slot_us = tonumber(list[i]) or slot_of(list[i])
      if not slot_us or slot_us < shut_us then
        return false
      end
      if slot_us >= from_us then
        of_trial = of_trial + 1
      end
    end
    local needed = math.max(FEWEST_JUDGED, pace.trial_sec(state) * state.pace)
    if state.dark_us > 0 or state.doubt > 0 or state.thr > 0 or state.ok + of_trial >= needed then
      return false
    end
    state.acc, state.seen, state.ok = state.acc + #list, state.seen + #list, state.ok + of_trial
    return true
  end

  local function in_full(list)
    local full = {}
    for i, answer in ipairs(list) do
      full[i] = type(answer) == 'number' and { slotUs = answer, accepted = true } or answer
    end
    return full
  end

  function pace.learn(state, now_us, list)
    if not is_counted(state, list) then
      pace_headers()
      pace_learn()
      pace.judge(state, now_us, in_full(list))
    end
  end
end
