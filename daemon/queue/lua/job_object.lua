--[[
job_object.lua - the reader of a job that is a JSON object. Stands before jobs.lua as a function, for most calls see bare
IDs only. Returns scan_object(text, at, job, settings): true, or nil, reason, detail.

It is scanned here, since cjson takes hex, nan and the last of two equal names; it decodes single strings only.
]]
local REDIRECT_MAX = 2048
local LOOPBACK = { ['localhost'] = true, ['127.0.0.1'] = true, ['[::1]'] = true }

-- Host of an acceptable URL in lower case; or nil and what is wrong.
local function redirect_host(url)
  if #url > REDIRECT_MAX then
    return nil, 'redirectUrl has ' .. #url .. ' bytes, 2048 are the most'
  end
  if string.find(url, '[^%w%p]') or string.find(url, '[\\<>"]') then
    return nil, 'redirectUrl has blanks, control bytes or characters that a URL must percent-encode'
  end
  local scheme, authority = string.match(url, '^(%a[%w+.-]*)://([^/?#]*)')
  if not scheme then
    return nil, 'redirectUrl is no absolute URL'
  end
  if string.find(authority, '@', 1, true) then
    return nil, 'redirectUrl has user information before its host'
  end
  local host = string.lower(string.match(authority, '^(.-):%d*$') or authority)
  if not string.find(host, '^[%w.-]+$') and not string.find(host, '^%[[%x:.]+%]$') then
    return nil, 'redirectUrl has no valid host'
  end
  if scheme ~= 'https' and not (scheme == 'http' and LOOPBACK[host]) then
    return nil, 'redirectUrl must be https (http to localhost only)'
  end
  return host
end

local function check_redirect(url, settings)
  local host, wrong = redirect_host(url)
  if not host then
    return false, wrong
  end
  for _, allowed in ipairs(settings.redirectHosts) do
    if string.lower(allowed) == host then
      return true
    end
  end
  if redirect_host(settings.redirectUrl) == host then
    return true
  end
  return false, 'the host of redirectUrl, ' .. quoted(host) .. ', is not on conductor.redirect_hosts'
end

local function whole_number(value)
  if type(value) ~= 'table' or not string.find(value.number or '', '^[1-9]%d*$') or #value.number > 15 then
    return nil
  end
  return tonumber(value.number)
end

--[[
One function a member: takes value, job, settings; returns nothing, or reason and detail. A value is a
string, true or false, {number = its text}, or {} for what no member may be: null, an object, a list.
]]
local MEMBERS = {
  endUserId = function(value, job)
    if type(value) ~= 'string' then
      return 'bad_id', 'endUserId must be a string'
    end
    local sound, wrong = check_id(value)
    if not sound then
      return 'bad_id', wrong
    end
    job.user = value
  end,
  linkExpiryMins = function(value, job)
    local minutes = whole_number(value)
    if not minutes or minutes < 15 or minutes > 10080 then
      return 'bad_expiry', 'linkExpiryMins must be a whole number from 15 to 10080'
    end
    job.link_expiry_mins = minutes
  end,
  redirectUrl = function(value, job, settings)
    if type(value) ~= 'string' then
      return 'bad_redirect', 'redirectUrl must be a string'
    end
    local sound, wrong = check_redirect(value, settings)
    if not sound then
      return 'bad_redirect', wrong
    end
    job.redirect_url = value
  end,
  force = function(value, job)
    if type(value) ~= 'boolean' then
      return 'bad_member', 'force must be true or false'
    end
    job.force = value
  end,
  ref = function(value, job)
    if type(value) ~= 'string' or value == '' or #value > JOB_TEXT_MAX or string.find(value, '[^\32-\126]') then
      return 'bad_ref', 'ref must be a string of 1 to 128 printable ASCII characters'
    end
    job.ref = value
  end,
  enqueuedAtMs = function(value, job)
    job.enqueued_ms = whole_number(value)
    if not job.enqueued_ms then
      return 'bad_member', 'enqueuedAtMs must be a whole number of Unix milliseconds'
    end
  end,
  notAfterMs = function(value, job)
    job.not_after_ms = whole_number(value)
    if not job.not_after_ms then
      return 'bad_member', 'notAfterMs must be a whole number of Unix milliseconds'
    end
  end,
}

local function skip_blanks(text, at)
  return (select(2, string.find(text, '^[ \t\r\n]*', at))) + 1
end

-- The string that begins at `at`, and where it ends; nil if there is none.
local function scan_string(text, at)
  if string.sub(text, at, at) ~= '"' then
    return nil
  end
  local stop = at + 1
  while true do
    stop = string.find(text, '[%z\1-\31"\\]', stop)
    local byte = stop and string.sub(text, stop, stop)
    if byte == '\\' then
      stop = stop + 2
    elseif byte == '"' then
      local fine, decoded = pcall(cjson.decode, '[' .. string.sub(text, at, stop) .. ']')
      if not fine or type(decoded[1]) ~= 'string' then
        return nil
      end
      return decoded[1], stop + 1
    else
      return nil
    end
  end
end

local LITERALS = { ['true'] = true, ['false'] = false, ['null'] = {} }

-- RFC 8259 section 6. Lua's and C's own readers take more: hex, nan, +1, 01.
local function is_number(word)
  local whole, rest = string.match(word, '^%-?(%d+)(.*)$')
  if not whole or (#whole > 1 and string.sub(whole, 1, 1) == '0') then
    return false
  end
  rest = string.gsub(rest, '^%.%d+', '')
  return rest == '' or string.find(rest, '^[eE][+-]?%d+$') ~= nil
end

-- The value that begins at `at`, and where it ends; nil if there is none.
local function scan_value(text, at)
  local first = string.sub(text, at, at)
  if first == '"' then
    return scan_string(text, at)
  end
  if first == '{' or first == '[' then
    return {}, at   -- refused before its end matters
  end
  local word = string.match(text, '^[%w.+-]+', at)
  if not word then
    return nil
  end
  if LITERALS[word] ~= nil then
    return LITERALS[word], at + #word
  end
  if is_number(word) then
    return { number = word }, at + #word
  end
  return nil
end

-- Reads one member into the job. Returns where it ends; or nil, reason, detail.
local function scan_member(text, at, job, settings, seen)
  local name, after = scan_string(text, at)
  if not name then
    return nil, 'bad_json', 'no JSON object: a member name in quotes is missing at byte ' .. at
  end
  after = skip_blanks(text, after)
  if string.sub(text, after, after) ~= ':' then
    return nil, 'bad_json', 'no JSON object: a colon is missing at byte ' .. after
  end
  if not MEMBERS[name] then
    return nil, 'bad_member', 'unknown member ' .. quoted(name)
  end
  if seen[name] then
    return nil, 'bad_member', 'member ' .. quoted(name) .. ' stands there twice'
  end
  seen[name] = true
  at = skip_blanks(text, after + 1)
  local value, stop = scan_value(text, at)
  if value == nil then
    return nil, 'bad_json', 'no JSON object: a value is missing or malformed at byte ' .. at
  end
  local reason, detail = MEMBERS[name](value, job, settings)
  if reason then
    return nil, reason, detail
  end
  return stop
end

local function scan_object(text, at, job, settings)
  local seen = {}
  at = skip_blanks(text, at + 1)
  if string.sub(text, at, at) == '}' then
    return nil, 'bad_id', 'endUserId is missing'
  end
  while true do
    local stop, reason, detail = scan_member(text, at, job, settings, seen)
    if not stop then
      return nil, reason, detail
    end
    at = skip_blanks(text, stop)
    local byte = string.sub(text, at, at)
    if byte == '}' then
      break
    elseif byte ~= ',' then
      return nil, 'bad_json', 'no JSON object: a comma or a closing brace is missing at byte ' .. at
    end
    at = skip_blanks(text, at + 1)
  end
  if skip_blanks(text, at + 1) <= #text then
    return nil, 'bad_json', 'no JSON object: something follows its end'
  end
  if not job.user then
    return nil, 'bad_id', 'endUserId is missing'
  end
  return true
end

return scan_object
