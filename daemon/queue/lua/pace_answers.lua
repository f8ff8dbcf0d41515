--[[
pace_answers.lua - what the pace makes of answers: most settles only count them, and pace_learn.lua judges the rest. Pure, as
pace.lua is.

Answer   { slotUs, accepted, retryAfterMs, resetMs }, or its slot alone: accepted, with nothing more to say. Most are that, and
         a table of each would be most of what they cost.
]]
do
  local FEWEST_JUDGED = 10
  local MAX_BYTES = 1024      -- longer is nothing of ours that was learned
  local LONG_RESET_MS = 2000  -- a limit that is exactly used says 0 all the time, and a reset is rounded up

  -- The shortest trial of a known and of an unknown limit.
  local function trial_sec(state)
    return state.per_sec > 0 and 5 or 1
  end

  -- The slot of an answer that does no more than count as accepted; nil if it says more.
  local function slot_of(answer)
    if answer.accepted and (answer.resetMs or 0) <= LONG_RESET_MS then
      return answer.slotUs
    end
  end

  -- Names in what was learned that do not let answers be merely counted.
  local MORE = { ' thr ', ' doubt ', ' shut_us ' }

  -- The counts at the head of what was learned, and what stands behind them, unread; nil if that says more, or the text is
  -- none of ours.
  local function counts_in(learned)
    local ok, acc, seen, rest = string.match(learned, '^ok (%d+) acc (%d+) seen (%d+)(.*)$')
    if not ok or #learned > MAX_BYTES then
      return nil
    end
    for _, name in ipairs(MORE) do
      if string.find(rest, name, 1, true) then
        return nil
      end
    end
    local counts = { ok = pace.sound(ok), acc = pace.sound(acc), seen = pace.sound(seen), thr = 0, doubt = 0, shut_us = 0,
      rest = rest }
    return counts.ok and counts.acc and counts.seen and counts or nil
  end

  --[[
  True if these answers only add to the counts of a trial that goes on, which is then done: all accepted, no 429 in this
  trial so far, no window closed. pace_learn.lua would do the same, but to have its functions takes longer than to count.
  counts: of counts_in(), or the state itself.
  ]]
  local function is_counted(state, counts, list)
    local of_trial, shut_us, from_us = 0, counts.shut_us, state.from_us
    for i = 1, #list do
      local slot_us = tonumber(list[i]) or slot_of(list[i])
      if not slot_us or slot_us < shut_us then
        return false
      end
      if slot_us >= from_us then
        of_trial = of_trial + 1
      end
    end
    local needed = math.max(FEWEST_JUDGED, trial_sec(state) * state.pace)
    if state.dark_us > 0 or counts.doubt > 0 or counts.thr > 0 or counts.ok + of_trial >= needed then
      return false
    end
    counts.acc, counts.seen, counts.ok = counts.acc + #list, counts.seen + #list, counts.ok + of_trial
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
    local counts = state.hi and state or counts_in(state.learned)
    if counts and is_counted(state, counts, list) then
      if counts ~= state then
        state.learned = string.format('ok %d acc %d seen %d%s', counts.ok, counts.acc, counts.seen, counts.rest)
      end
      return
    end
    pace_learned()
    if not state.hi then
      pace.load_learned(state)
    end
    pace_headers()
    pace_learn()
    pace.judge(state, now_us, in_full(list))
  end

  pace.trial_sec, pace.LONG_RESET_MS = trial_sec, LONG_RESET_MS
end
