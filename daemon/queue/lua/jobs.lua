--[[
jobs.lua - the only reader of jobs: read_job(payload, settings, now_ms).

Pure: no redis.call. A job is a bare end-user ID or a flat JSON object, which job_object.lua reads. The same cases
(tests/cases/jobs.tsv) run against core/job.c, which must change together with both files.

A redirectUrl may name a host of conductor.redirect_hosts, or the one of conductor.redirect_url, and no
other: a link that leads anywhere is a gift to whoever can push jobs. So with neither set, no job may
bring a redirectUrl of its own.

Returns  {user, link_expiry_mins, redirect_url, ref, force}, or nil, reason, detail, user, ref
         (the last two where the job was sound but came too late)
]]
local JOB_MAX_BYTES = 4096

local scan_object   -- of job_object.lua

local function read_job(payload, settings, at_ms)
  if #payload > JOB_MAX_BYTES then
    return nil, 'too_long', 'the job has ' .. #payload .. ' bytes, 4096 are the most'
  end
  local is_bare = check_id(payload)   -- an ID alone, the usual case
  local job = { user = is_bare and payload, link_expiry_mins = settings.linkExpiryMins, redirect_url = settings.redirectUrl,
    ref = '', force = false }
  if is_bare then
    return job
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
    return nil, 'bad_id', select(2, check_id(payload))
  end
  if job.not_after_ms and job.not_after_ms <= at_ms then
    return nil, 'too_late', 'its notAfterMs had passed', job.user, job.ref
  end
  return job
end
