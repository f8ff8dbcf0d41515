--[[
cases.lua - the tables of the shared pace: which limiters, rates and fleets are simulated, and what must come out.

A table   name, title, columns (names), rows: { name, cases ... }
A case    as in simulation.lua; `bar` where a figure is promised: the least share, the most refused, and for
          limits that change the longest time until the new one is found
]]
local cases = {}

local BAR_KNOWN = { share = 0.99, refused = 0.01 }
local BAR_KNOWN_LOG = { share = 0.95, refused = 0.01 }
local BAR_UNKNOWN = { share = 0.95, refused = 0.02 }
local BAR_HALVED = { share = 0.95, refused = 0.02, found = 40 }
local BAR_DOUBLED = { share = 0.95, refused = 0.02, found = 90 }
local BAR_HEADERS = { share = 0.90, refused = 0.025 }
local BAR_MINUTE = { share = 0.90, refused = 0.02 }

-- known, unknown: which promises hold for this limiter. from: the lowest rate for which they do.
local LIMITERS = {
  { name = 'token 1 only', limiter = 'token', options = { burst_sec = 0 } },
  { name = 'token 0.1s', limiter = 'token', options = { burst_sec = 0.1 },
    known = BAR_KNOWN, unknown = BAR_UNKNOWN, from = 20 },
  { name = 'token 1s', limiter = 'token', options = { burst_sec = 1 },
    known = BAR_KNOWN, unknown = BAR_UNKNOWN, from = 2 },
  { name = 'token 10s', limiter = 'token', options = { burst_sec = 10 },
    known = BAR_KNOWN, unknown = BAR_UNKNOWN, from = 2 },
  { name = 'fixed 1s', limiter = 'fixed', options = { window_sec = 1 },
    known = BAR_KNOWN, unknown = BAR_UNKNOWN, from = 2 },
  { name = 'slide 1s', limiter = 'sliding', options = { window_sec = 1 },
    known = BAR_KNOWN_LOG, unknown = BAR_UNKNOWN, from = 10 },
  { name = 'slide rej', limiter = 'sliding', options = { window_sec = 1, punish = true } },
  { name = 'token rej', limiter = 'token', options = { burst_sec = 1, punish = true }, known = BAR_KNOWN, from = 2 },
  { name = 'nginx 0', limiter = 'nginx', options = { burst = 0 } },
  { name = 'nginx 20n', limiter = 'nginx', options = { burst = 20 },
    known = BAR_KNOWN, unknown = BAR_UNKNOWN, from = 20 },
  { name = 'nginx 20d', limiter = 'nginx', options = { burst = 20, delayed = true },
    known = BAR_KNOWN, unknown = BAR_UNKNOWN, from = 20 },
}
local BASIC = { LIMITERS[3], LIMITERS[5], LIMITERS[6] }   -- token 1s, fixed 1s, slide 1s
local RATES = { 0.5, 2, 10, 20, 60, 100, 500, 2000 }

local function duration_of(rate, known)
  if known then
    return rate >= 20 and 300 or rate >= 2 and 400 or 1200
  end
  return rate >= 20 and 360 or rate >= 2 and 1500 or 1400 / rate
end

local function case_of(limiter, rate, known, more)
  local case = { limiter = limiter.limiter, options = limiter.options, limit = rate, per_sec = known and rate or 0,
    duration_sec = duration_of(rate, known) }
  if limiter.from and rate >= limiter.from then
    case.bar = known and limiter.known or limiter.unknown
  end
  for name, value in pairs(more or {}) do
    case[name] = value
  end
  return case
end

local function by_rate(name, title, known)
  local result = { name = name, title = title, columns = {}, rows = {} }
  for _, rate in ipairs(RATES) do
    table.insert(result.columns, rate .. '/s')
  end
  for _, limiter in ipairs(LIMITERS) do
    local row = { name = limiter.name }
    for _, rate in ipairs(RATES) do
      table.insert(row, case_of(limiter, rate, known))
    end
    table.insert(result.rows, row)
  end
  return result
end

-- A table whose columns are the three basic limiters, and whose rows are variations.
local function by_variation(name, title, variations)
  local result = { name = name, title = title, columns = {}, rows = {} }
  for _, limiter in ipairs(BASIC) do
    table.insert(result.columns, limiter.name)
  end
  for _, variation in ipairs(variations) do
    local row = { name = variation.name }
    for _, limiter in ipairs(BASIC) do
      local case = case_of(limiter, variation.rate, variation.known, variation.more)
      case.bar = variation.bar or case.bar
      table.insert(row, case)
    end
    table.insert(result.rows, row)
  end
  return result
end

local function fleets()
  local variations = {}
  for _, known in ipairs({ false, true }) do
    for _, rate in ipairs(known and { 20, 500, 2000 } or { 20, 500, 5000 }) do
      for _, instances in ipairs({ 1, 16 }) do
        table.insert(variations, { name = string.format('%s %d/s, %d instances', known and 'known' or 'unknown', rate, instances),
          rate = rate, known = known, more = { instances = instances } })
      end
    end
  end
  return by_variation('fleets', 'Size of the fleet', variations)
end

local function changes()
  local variations = {}
  for _, rate in ipairs({ 20, 100, 500 }) do
    table.insert(variations, { name = 'unknown ' .. rate .. '/s halves', rate = rate, bar = BAR_HALVED,
      more = { change_at_sec = 120, change_factor = 0.5, duration_sec = 600, measure_from_sec = 180 } })
    table.insert(variations, { name = 'unknown ' .. rate .. '/s doubles', rate = rate, bar = BAR_DOUBLED,
      more = { change_at_sec = 120, change_factor = 2, duration_sec = 600, measure_from_sec = 240 } })
  end
  for _, rate in ipairs({ 20, 500 }) do
    table.insert(variations, { name = 'unknown ' .. rate .. '/s, after 60 s idle', rate = rate,
      more = { idle_from_sec = 120, idle_for_sec = 60, duration_sec = 480, measure_from_sec = 180 } })
    table.insert(variations, { name = 'unknown ' .. rate .. '/s, Retry-After', rate = rate,
      more = { retry_after = true, duration_sec = 480 } })
    table.insert(variations, { name = 'known ' .. rate .. '/s, Retry-After', rate = rate, known = true,
      more = { retry_after = true, duration_sec = 480 } })
  end
  return by_variation('changes', 'Limits that change, pauses, Retry-After', variations)
end

local function minutes()
  local rates = { 0.5, 2, 20, 100 }
  local result = { name = 'minutes', title = 'Windows of a minute', columns = {}, rows = {} }
  for _, rate in ipairs(rates) do
    table.insert(result.columns, rate .. '/s')
  end
  for _, kind in ipairs({ 'fixed', 'sliding' }) do
    for _, told in ipairs({ 'known', 'unknown, Retry-After', 'unknown' }) do
      local row = { name = kind .. ' minute, ' .. told }
      for _, rate in ipairs(rates) do
        table.insert(row, { limiter = kind, options = { window_sec = 60 }, limit = rate, per_sec = told == 'known' and rate or 0,
          bar = told == 'known' and BAR_KNOWN or rate >= 2 and BAR_MINUTE or nil,
          retry_after = told == 'unknown, Retry-After', duration_sec = 1800, measure_from_sec = 600 })
      end
      table.insert(result.rows, row)
    end
  end
  return result
end

local function at_once()
  local row = { name = 'unknown, N / mean latency' }
  local result = { name = 'at_once', title = 'At most N requests at once', columns = { 'N 5', 'N 20', 'N 100' }, rows = { row } }
  for _, most in ipairs({ 5, 20, 100 }) do
    table.insert(row, { limiter = 'concurrent', limit = most, duration_sec = 600, bar = { share = 0.4, refused = 0.02 } })
  end
  return result
end

local function strays()
  local result = { name = 'strays', title = '429s that do not come from the pace (token 1s, 100/s)', columns = {}, rows = {} }
  for _, known in ipairs({ true, false }) do
    local row = { name = known and 'known' or 'unknown' }
    for _, share in ipairs({ 0.002, 0.005, 0.01, 0.02, 0.04 }) do
      result.columns[#row + 1] = 100 * share .. ' %'
      table.insert(row, { limiter = 'token', options = { burst_sec = 1 }, limit = 100, per_sec = known and 100 or 0,
        stray = share, duration_sec = 1800, measure_from_sec = 600,
        bar = (known or share < 0.04) and { share = 0.7, refused = 2 * share + 0.015 } or nil })
    end
    table.insert(result.rows, row)
  end
  return result
end

--[[
A machine or a network with more to do than it can: late requests are not the pace's fault. Every three seconds they
make a small bucket refuse 1 to 2 %, and a log of 20 is used by 94 %; a bucket of 20 is 40 ms at 500/s, and a known
limit is then used by 97 to 99 %: none of that is promised.
]]
local function lateness(name, title, kinds)
  local result = { name = name, title = title, columns = {}, rows = {} }
  local rates = { 20, 100, 500, 2000 }
  for _, rate in ipairs(rates) do
    table.insert(result.columns, rate .. '/s')
  end
  for _, kind in ipairs(kinds) do
    for _, limiter in ipairs({ LIMITERS[3], LIMITERS[5], LIMITERS[6], LIMITERS[10], LIMITERS[11] }) do
      local row = { name = string.format('%s, %s, every %d s', limiter.name, kind.known and 'known' or 'unknown', kind.sec) }
      for _, rate in ipairs(rates) do
        local case = case_of(limiter, rate, kind.known, { [name .. '_every_sec'] = kind.sec, way_sec = 0.005, way_sigma = 0.5 })
        local is_tiny = kind.known and limiter.limiter == 'nginx' and rate > 100
        local is_promised = kind.sec == 10 and (limiter.limiter ~= 'sliding' or rate >= 100) and not is_tiny
        case.bar = is_promised and case.bar or nil
        table.insert(row, case)
      end
      table.insert(result.rows, row)
    end
  end
  return result
end

local function stalls()
  return lateness('stall', 'A busy machine: stalls of 60 ms on average',
    { { sec = 10, known = true }, { sec = 10, known = false }, { sec = 3, known = false } })
end

local function jams()
  return lateness('jam', 'A busy network: jams of 60 ms on average', { { sec = 10, known = false } })
end

--[[
APIs whose headers say what is left of a window. lies: of no window, and that nothing is left for an hour, always. The
windows of ten seconds of which only accepted answers tell are used by 93 % and more.
]]
local function headers()
  local rates = { 2, 20, 100 }
  local result = { name = 'headers', title = 'Rate-limit headers, unknown', columns = {}, rows = {} }
  for _, rate in ipairs(rates) do
    table.insert(result.columns, rate .. '/s')
  end
  for _, window_sec in ipairs({ 1, 10, 60 }) do
    for _, told in ipairs({ 'none', 'accepted', 'all', 'lies' }) do
      local row = { name = string.format('fixed %d s, %s', window_sec, told) }
      for _, rate in ipairs(rates) do
        table.insert(row, { limiter = 'fixed', options = { window_sec = window_sec }, limit = rate, duration_sec = 1800,
          measure_from_sec = 600, headers = told ~= 'none' and (told == 'lies' and 'all' or told) or nil,
          lie_sec = told == 'lies' and 3600 or nil, bar = told ~= 'none' and BAR_HEADERS or nil })
      end
      table.insert(result.rows, row)
    end
  end
  return result
end

-- All tables, in the order of the manual.
function cases.tables()
  return { by_rate('unknown', 'Unknown limit, 4 instances', false), by_rate('known', 'Known limit, 4 instances', true),
    fleets(), changes(), minutes(), at_once(), strays(), stalls(),
    jams(), headers() }
end

return cases
