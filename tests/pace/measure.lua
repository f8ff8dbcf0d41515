-- measure.lua - runs a case with several seeds and keeps the worst of each figure.
local simulation = require('simulation')

local measure = {}

-- '1,2,3' -> { 1, 2, 3 }
function measure.seeds(text)
  local seeds = {}
  for number in string.gmatch(text, '%d+') do
    table.insert(seeds, tonumber(number))
  end
  return seeds
end

-- found is nil if one of the seeds found nothing.
function measure.worst(case, seeds)
  local worst = { share = math.huge, refused = 0, found = 0 }
  for _, seed in ipairs(seeds) do
    case.seed = seed
    local result = simulation.run(case)
    worst.share = math.min(worst.share, result.share)
    worst.refused = math.max(worst.refused, result.refused)
    worst.found = worst.found and result.found and math.max(worst.found, result.found)
  end
  return worst
end

function measure.holds(result, bar)
  return result.share >= bar.share and result.refused < bar.refused
    and (not bar.found or result.found and result.found <= bar.found)
end

-- '99.5/0.1/5': share of the limit used, share of 429s, seconds until found
function measure.text(result)
  return string.format('%.1f/%.1f/%s', 100 * result.share, 100 * result.refused,
    result.found and string.format('%.0f', result.found) or '-')
end

return measure
