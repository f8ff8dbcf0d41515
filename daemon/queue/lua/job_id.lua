-- job_id.lua - what may be an end-user ID, and why something is none.
local JOB_TEXT_MAX = 128

-- Bytes from outside, fit for a sentence: printable, short.
local function quoted(text)
  local short = #text > 40 and string.sub(text, 1, 40) .. '...' or text
  return '"' .. string.gsub(short, '[^%w%p ]', '?') .. '"'
end

local function check_id(id)
  if #id <= JOB_TEXT_MAX and string.find(id, '^[%w_-]+$') then
    return true
  end
  if id == '' then
    return false, 'the end-user ID is empty'
  end
  if #id > JOB_TEXT_MAX then
    return false, 'the end-user ID has ' .. #id .. ' bytes, 128 are the most'
  end
  local inner = string.match(id, '^["\'](.*)["\']$')
  if inner then
    return false, 'the end-user ID stands in quotes; probably meant: ' .. quoted(inner) .. ' without them'
  end
  if string.find(id, '^%s') or string.find(id, '%s$') then
    return false, 'the end-user ID has blanks or line ends around it: ' .. quoted(id)
  end
  return false, 'the end-user ID may hold A-Z a-z 0-9 _ - only: ' .. quoted(id)
end
