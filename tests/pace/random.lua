--[[
random.lua - random numbers that are the same on every machine, by seed.

L'Ecuyer's combined generator of 1988: two linear congruences whose products stay exact in a double.
]]
local random = {}

-- Returns uniform() in (0, 1), and gauss(), exponential(mean), log_normal(median, sigma) made from it.
function random.new(seed)
  local a = (seed * 7919 + 13) % 2147483561 + 1
  local b = (seed * 104729 + 17) % 2147483397 + 1
  local source = {}

  function source.uniform()
    a = a * 40014 % 2147483563
    b = b * 40692 % 2147483399
    return ((a - b) % 2147483562 + 0.5) / 2147483562
  end

  local uniform, log, sqrt, cos, exp = source.uniform, math.log, math.sqrt, math.cos, math.exp
  for _ = 1, 20 do
    uniform()
  end

  function source.gauss()
    return sqrt(-2 * log(uniform())) * cos(2 * math.pi * uniform())
  end

  function source.exponential(mean)
    return -mean * log(uniform())
  end

  function source.log_normal(median, sigma)
    return median * exp(sigma * source.gauss())
  end

  return source
end

return random
