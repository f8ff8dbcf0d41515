--[[
limiters.lua - models of what an API may do to keep its callers to a rate. Times in seconds.

Every maker returns a limiter:
  admit(now)           -> accepted, seconds until the next request would be accepted, seconds it is held back
  set_rate(per_second)
  quota(now)           -> requests left, seconds until all are there again: what an API's headers would say
  depart()             where requests in progress count: one of them is over
]]
local limiters = {}

-- A bucket of `burst_sec` seconds' requests, at least one. punish: refused requests take a token, too.
function limiters.token(per_sec, options)
  local limiter = {}
  local size, tokens, filled_at

  function limiter.set_rate(rate)
    per_sec = rate
    size = math.max(1, options.burst_sec * per_sec)
    tokens = math.min(tokens or size, size)
  end

  function limiter.admit(now)
    tokens = math.min(size, tokens + (now - (filled_at or now)) * per_sec)
    filled_at = now
    if tokens >= 1 then
      tokens = tokens - 1
      return true
    end
    if options.punish then
      tokens = math.max(-size, tokens - 1)
    end
    return false, (1 - tokens) / per_sec
  end

  function limiter.quota()
    return math.max(0, math.floor(tokens)), (size - tokens) / per_sec
  end

  limiter.set_rate(per_sec)
  return limiter
end

-- Whole requests a window, and the window that makes them the rate.
local function quota_of(per_sec, window_sec)
  local quota = math.max(1, math.floor(per_sec * window_sec + 1e-6))
  return quota, quota / per_sec
end

-- A counter that starts anew with each window of the wall clock.
function limiters.fixed(per_sec, options)
  local limiter = {}
  local quota, window
  local began, count = nil, 0

  function limiter.set_rate(rate)
    quota, window = quota_of(rate, options.window_sec)
  end

  function limiter.admit(now)
    local start = math.floor(now / window) * window
    if start ~= began then
      began, count = start, 0
    end
    if count < quota then
      count = count + 1
      return true
    end
    return false, start + window - now
  end

  function limiter.quota(now)
    return quota - count, began + window - now
  end

  limiter.set_rate(per_sec)
  return limiter
end

-- A log of the requests of the last window. punish: refused requests are in it, too.
function limiters.sliding(per_sec, options)
  local limiter = {}
  local quota, window
  local log, head, tail = {}, 1, 0

  function limiter.set_rate(rate)
    quota, window = quota_of(rate, options.window_sec)
  end

  function limiter.admit(now)
    while head <= tail and log[head] <= now - window do
      log[head] = nil
      head = head + 1
    end
    local accepted = tail - head + 1 < quota
    local oldest = log[head] or now
    if accepted or options.punish then
      tail = tail + 1
      log[tail] = now
    end
    if accepted then
      return true
    end
    return false, oldest + window - now
  end

  function limiter.quota(now)
    return math.max(0, quota - (tail - head + 1)), (log[tail] or now) + window - now
  end

  limiter.set_rate(per_sec)
  return limiter
end

-- nginx's limit_req (ngx_http_limit_req_module.c): excess in thousandths of a request, time in ms.
function limiters.nginx(per_sec, options)
  local limiter = {}
  local excess, last_ms = 0, nil
  local most = options.burst * 1000

  function limiter.set_rate(rate)
    per_sec = rate
  end

  function limiter.admit(now)
    local now_ms = math.floor(now * 1000)
    local then_excess = 0
    if last_ms then
      then_excess = math.max(0, excess - math.floor(per_sec * (now_ms - last_ms)) + 1000)
    end
    if then_excess > most then
      return false, (then_excess - most) / 1000 / per_sec
    end
    excess, last_ms = then_excess, now_ms
    return true, 0, options.delayed and excess / 1000 / per_sec or 0
  end

  return limiter
end

-- At most so many requests in progress.
function limiters.concurrent(at_once)
  local limiter = {}
  local busy = 0

  function limiter.set_rate(rate)
    at_once = rate
  end

  function limiter.admit()
    if busy >= at_once then
      return false, 0.1
    end
    busy = busy + 1
    return true
  end

  function limiter.depart()
    busy = busy - 1
  end

  return limiter
end

return limiters
