--[[
event_queue.lua - what happens next: a binary heap of (time, event).
]]
local event_queue = {}

function event_queue.new()
  local times, events, size = {}, {}, 0
  local queue = {}

  function queue.push(time, event)
    size = size + 1
    local at = size
    while at > 1 do
      local parent = (at - at % 2) / 2
      if times[parent] <= time then
        break
      end
      times[at], events[at] = times[parent], events[parent]
      at = parent
    end
    times[at], events[at] = time, event
  end

  -- Returns time, event; nil when there is none.
  function queue.pop()
    local first_time, first_event = times[1], events[1]
    if size == 0 then
      return nil
    end
    local time, event = times[size], events[size]
    times[size], events[size] = nil, nil
    size = size - 1
    local at, child = 1, 2
    while child <= size do
      if child < size and times[child + 1] < times[child] then
        child = child + 1
      end
      if times[child] >= time then
        break
      end
      times[at], events[at] = times[child], events[child]
      at = child
      child = 2 * at
    end
    if size > 0 then
      times[at], events[at] = time, event
    end
    return first_time, first_event
  end

  return queue
end

return event_queue
