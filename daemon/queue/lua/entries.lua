-- entries.lua - the stream of dead letters, entry by entry.

-- IDs of stream entries from outside: a part of one would name another entry, or make Redis refuse half way.
local function is_entry_id(text)
  return string.find(text, '^%d+%-%d+$') ~= nil
end
