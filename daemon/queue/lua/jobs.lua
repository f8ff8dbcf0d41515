--[[
jobs.lua - the only reader of jobs: read_job(job, settings, now_ms).

Pure: no redis.call. A job is a bare end-user ID or a flat JSON object, which job_object.lua reads. The same cases
(tests/cases/jobs.tsv) run against core/job.c, which must change together with both files.

A redirectUrl may name a host of conductor.redirect_hosts, or the one of conductor.redirect_url, and no
other: a link that leads anywhere is a gift to whoever can push jobs. So with neither set, no job may
bring a redirectUrl of its own.

Gives the job, which has its payload, user, link_expiry_mins, redirect_url, ref and force.
Returns  true, or nil, reason, detail, is_late (it is sound, but came too late)
]]
local JOB_MAX_BYTES = 4096

local scan_object   -- of job_object.lua

local function read_job(job, settings, at_ms)
  local payload = job.payload
  if #payload > JOB_MAX_BYTES then
    return nil, 'too_long', 'the job has ' .. #payload .. ' bytes, 4096 are the most'
  end
  job.link_expiry_mins, job.redirect_url, job.ref, job.force = settings.linkExpiryMins, settings.redirectUrl, '', false
  local is_bare, wrong = check_id(payload)   -- an ID alone, the usual case
  if is_bare then
    job.user = payload
    return true
  end
  local start = string.find(payload, '[^ \t\r\n]') or 1
  local first = string.sub(payload, start, start)
  if first == '{' then
    scan_object = scan_object or job_object()
    local sound, reason, detail = scan_object(payload, start, job, settings)
    if not sound then
      return nil, reason, detail
    end
  elseif first == '[' then
    return nil, 'bad_json', 'a list is no job: push its elements one by one'
  else
    return nil, 'bad_id', wrong
  end
  if job.not_after_ms and job.not_after_ms <= at_ms then
    return nil, 'too_late', 'its notAfterMs had passed', true
  end
  return true
end
