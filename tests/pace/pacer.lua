--[[
pacer.lua - the line in which an instance's late jobs go: core/pacer.c in seconds, and must change with it.
]]
local pacer = {}

local TOLERANCE_SEC = 0.020
local LATENESS_FADES_SEC = 2.5

-- Jobs are { slot, claim } (when, and of which claim), added in the order of their slots.
function pacer.new()
  local line, last_slot, last_claim, gap = 0, 0, nil, 0
  local jobs, head, tail = {}, 1, 0
  local self = {}

  local function distance(job)
    local apart = math.abs(job.slot - last_slot)
    return (job.claim == last_claim or apart < gap) and apart or gap
  end

  local function turn(job)
    local kept = distance(job)
    return line + kept - kept * math.min(line - last_slot, LATENESS_FADES_SEC) / LATENESS_FADES_SEC
  end

  function self.add(job)
    tail = tail + 1
    jobs[tail] = job
  end

  -- Jobs whose slots lie before that instant are not sent.
  function self.drop(before)
    while jobs[head] and jobs[head].slot < before do
      jobs[head], head = nil, head + 1
    end
  end

  -- When the first job is due; nil if there is none.
  function self.due()
    local first = jobs[head]
    return first and math.max(first.slot, turn(first) - TOLERANCE_SEC)
  end

  -- The first job, which is due.
  function self.take(now)
    local job = jobs[head]
    jobs[head], head = nil, head + 1
    line = math.max(turn(job), now)
    if job.claim == last_claim and job.slot ~= last_slot then
      gap = distance(job)
    end
    last_slot, last_claim = job.slot, job.claim
    return job
  end

  return self
end

return pacer
