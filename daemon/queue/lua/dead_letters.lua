--[[
dead_letters.lua - the end of jobs without a link. Most calls end none, so a step has this as a function, which makes
what it needs when it is called. Returns a table of functions:

bury(streams, keep_ms, job, user, ref, letter)    dead letter, counter, event
bury_foreign(streams, keep_ms, key, text)         the same for what is no record of ours; `key` makes it a job, taken and dead
write_failed(user, job, ref, letter, ttl_ms)      replaces the user's hash by a failed one, unless a valid link is stored

letter: reason, detail, and where the API was asked http_status, error_code, request_id
]]
local letters = {}

function letters.write_failed(user, job, ref, letter, ttl_ms)
  if valid_link(user) then
    return
  end
  local key = session_key(user)
  redis.call('DEL', key)
  redis.call('HSET', key, 'status', 'failed', 'endUserId', user, 'reason', letter.reason, 'detail', letter.detail,
    'httpStatus', letter.http_status or '', 'errorCode', letter.error_code or '', 'requestId', letter.request_id or '',
    'ref', ref, 'attempts', digits(job.attempts), 'updatedAtMs', digits(now_ms))
  redis.call('PEXPIRE', key, digits(ttl_ms))
end

function letters.bury(streams, keep_ms, job, user, ref, letter)
  redis.call('XADD', streams.dead, '*', 'jobKey', shown_key(job.key), 'endUserId', user, 'ref', ref,
    'payload', string.sub(job.payload, 1, MAX_PAYLOAD_KEPT), 'payloadBytes', digits(#job.payload),
    'reason', letter.reason, 'detail', letter.detail, 'httpStatus', letter.http_status or '',
    'errorCode', letter.error_code or '', 'requestId', letter.request_id or '',
    'attempts', digits(job.attempts), 'recoveries', digits(job.recoveries),
    'firstSeenMs', digits(job.first_seen_ms), 'lastMs', digits(now_ms))
  count('dead')
  write_event(streams.events, keep_ms, 'type', 'failed', 'jobKey', shown_key(job.key), 'endUserId', user, 'ref', ref,
    'attempts', digits(job.attempts), 'reason', letter.reason)
end

function letters.bury_foreign(streams, keep_ms, key, text)
  local job = { key = key, attempts = 0, recoveries = 0, first_seen_ms = now_ms, payload = text }
  letters.bury(streams, keep_ms, job, '', '',
    { reason = 'bad_record', detail = 'not written by authlinkd: something else writes to its keys' })
end

return letters
