--[[
pace.lua - the fleet's pace: its state, and the line of slots that it hands out. What it learns: pace_learned.lua.

Pure: no redis.call and no clock. State in, state out; the steps keep it in :limiter. GCRA on a line of
slots, so that instances never race for one.

Units    _us Unix us, rates in requests a second. The hash has the exact numbers, times without exponent.
State    next_us        the next free slot
         pace, base     the pace now; the last pace that passed a trial (pace > base: probing)
         hi             the lowest pace that failed since it was last forgotten, 0: none known
         step           share that the next free probe adds to base
         from_us, first first slot that this trial judges; 1: this trial has seen a 429
         ok, thr        accepted and 429 in this trial
         dry_us         slots lost in this trial because nobody claimed
         wait_us        when the last probe or pace failed
         cost           429s since the last free probe began
         calm           clean trials since wait
         dark_us        0, or the gap between single requests while nothing is accepted
         since_us, acc  start of the present cycle (idle time taken out), accepted in it
         per_sec, burst, max_per_sec   the fleet's settings; per_sec 0: the limit is unknown
         proven         the base that the last free probe started from; 0: there was none
         stop_us, window_us   when everything was refused last; 0, or how long that lasted at most: the API
                        counts in windows of at least that
         peak, seen, seen_thr   the base that small cuts are measured by, 0: none; answers and 429s since it was set
         doubt, stray   the share of 429s that is in doubt, 0: none; the share that does not come from the pace
         shut_us        when a window opens that headers of accepted answers called used up (pace_headers.lua)
         claims, lied_us   such claims in a row that nothing contradicted; until when they are not believed
         strikes, least trials of this base with too many 429s, less the clean ones; the smallest share in them
         learned        the text of what pace_learned.lua names, while that is not read out of it
]]
local pace

do
  -- In the hash the names of the line of slots bear their units; the order is that of HMGET. The last field holds what
  -- only settles go by, `<name> <number> ...` of all that is not 0, its three counts of accepted answers first and always: as
  -- fields of their own they made up a tenth of a settle.
  local FIELDS = { 'nextUs', 'pace', 'base', 'fromUs', 'dryUs', 'darkUs', 'sinceUs', 'perSec', 'burst', 'maxPerSec', 'learned' }
  local LINE = { 'next_us', 'pace', 'base', 'from_us', 'dry_us', 'dark_us', 'since_us', 'per_sec', 'burst', 'max_per_sec' }

  local min, max = math.min, math.max
  local SEC = 1000000
  local MIN_SETTING, MAX_SETTING = 0.001, 1000000   -- no rate of a sound hash lies outside
  local HORIZON_US = 250000      -- a person who waits is never farther behind
  local MAX_SLOTS = 256
  local MIN_PACE = 0.1
  local LOST_CLOCK_US = 620 * SEC
  local SKIP_US = SEC            -- logs of a second forget
  local MAX_DARK_US = 16 * SEC

  local function ceiling(state)
    return state.per_sec > 0 and 0.995 * state.per_sec or state.max_per_sec
  end

  local function limited(state, rate)
    return min(ceiling(state), max(MIN_PACE, rate))
  end

  -- A number in the hash; nil if it is missing or can be none of ours.
  local function sound(text)
    local number = tonumber(text or nil)
    if number and number >= 0 and number <= 1e17 then
      return number
    end
  end

  local function is_setting(number, low)
    return number and number >= low and number <= MAX_SETTING
  end

  -- The line of slots, from the texts of the first fields. The table has its room from the start: one that grows field by
  -- field is laid out anew at 1, 2, 4, 8 and 16.
  local function load_line(values)
    local state = { next_us = sound(values[1]), pace = sound(values[2]), base = sound(values[3]), from_us = sound(values[4]),
      dry_us = sound(values[5]), dark_us = sound(values[6]), since_us = sound(values[7]), per_sec = sound(values[8]),
      burst = sound(values[9]), max_per_sec = sound(values[10]) }
    local is_known = state.per_sec == 0 or is_setting(state.per_sec, MIN_SETTING)
    if not (is_known and is_setting(state.burst, 1) and is_setting(state.max_per_sec, MIN_SETTING)) then
      state.per_sec = nil
    end
    return state
  end

  -- As it was read, to tell afterwards what has changed.
  local function line_of(state)
    return { state.next_us or false, state.pace or false, state.base or false, state.from_us or false, state.dry_us or false,
      state.dark_us or false, state.since_us or false, state.per_sec or false, state.burst or false, state.max_per_sec or false }
  end

  -- Any number, whole: %.17g takes twenty times as long as %d, for the same text where both can.
  local function exact(number)
    return string.format(number % 1 == 0 and '%d' or '%.17g', number)
  end

  -- Field, text, ...; of the line what is not as in `before`, of what was learned all or, if it was not asked for, nothing.
  local function fields(state, before)
    local flat = {}
    for i, name in ipairs(LINE) do
      if not before or state[name] ~= before[i] then
        flat[#flat + 1], flat[#flat + 2] = FIELDS[i], exact(state[name])
      end
    end
    local learned = state.hi and pace.learned_text(state) or state.learned
    if learned then
      flat[#flat + 1], flat[#flat + 2] = 'learned', learned
    end
    return flat
  end

  local function is_lost(state)
    return not (state.pace and state.base and state.pace > 0 and state.base > 0)
  end

  -- What is missing or absurd in the hash begins anew: it must neither stop the line nor break the limit.
  local function heal_line(state, now_us)
    if is_lost(state) then
      pace.start(state, now_us, state.per_sec, state.burst, state.max_per_sec)
    end
    state.pace, state.base = limited(state, state.pace), limited(state, state.base)
    state.dry_us, state.dark_us = state.dry_us or 0, min(state.dark_us or 0, MAX_DARK_US)
    state.since_us = min(state.since_us or 0, now_us + LOST_CLOCK_US)
    state.next_us = state.next_us or 0
    if state.next_us > now_us + LOST_CLOCK_US then   -- the clock went back
      state.next_us, state.from_us, state.since_us = now_us, now_us, now_us
    end
    state.from_us = min(state.from_us or 0, max(state.next_us, now_us) + SKIP_US)
  end

  local function gap_us(state)
    return state.dark_us > 0 and state.dark_us or SEC / state.pace
  end

  -- Idle time earns nothing but `burst` slots; it is booked once.
  local function advance(state, now_us)
    heal_line(state, now_us)
    local burst = state.dark_us > 0 and 1 or state.burst
    local low = math.ceil(now_us - (burst - 1) * gap_us(state))
    if state.next_us < low then
      state.dry_us = state.dry_us + low - state.next_us
      state.since_us = state.since_us + low - state.next_us
      state.next_us = low
    end
  end

  local function reserve(state, now_us, want)
    local slots, gap = {}, gap_us(state)
    local most = state.dark_us > 0 and 1 or min(want, MAX_SLOTS)
    for i = 1, most do
      local slot_us = state.next_us + (i - 1) * gap
      if slot_us > now_us + HORIZON_US then
        break
      end
      slots[i] = slot_us < now_us and now_us or slot_us
    end
    return slots
  end

  -- To a whole us, the later one: fractions of these numbers take ten times as long to write and to read.
  local function commit(state, used)
    state.next_us = math.ceil(state.next_us + used * gap_us(state))
  end

  -- Come again when a tenth of a second of slots is free, or as many as are wanted.
  local function wait_ms(state, now_us, want)
    local slots = state.dark_us > 0 and 1 or min(want, max(1, 0.1 * state.pace))
    local free_us = state.next_us - HORIZON_US + (slots - 1) * gap_us(state)
    return min(1000, max(1, math.ceil((free_us - now_us) / 1000)))
  end

  pace = { FIELDS = FIELDS, SEC = SEC, SKIP_US = SKIP_US, MAX_DARK_US = MAX_DARK_US, HORIZON_US = HORIZON_US, ceiling = ceiling,
    limited = limited, sound = sound, load_line = load_line, line_of = line_of, exact = exact,
    fields = fields, is_lost = is_lost, advance = advance, reserve = reserve, commit = commit, wait_ms = wait_ms }
end
