--[[
rights.lua - a step whose Redis user lacks a right is refused whole, before its first write.

Redis asks for rights at each command of a script, so a step that lacks one would stop half way: new places
written, old ones not cleared, and the same again at every repetition. Each step names here what it may need.
What it names and what conf/authlinkd.acl grants must stay together: tests/redis/test_rights.c. TYPE is asked
for where it is used, wrong_type() of common.lua.

Stands before common.lua, which asks for the time.

Needs    Redis 7.0 (redis.acl_check_cmd; it asks about the user who called the script)
]]
local function no_right(command, key)
  return redis.error_reply('NOPERM authlink: the Redis user lacks a right; run ACL SETUSER <user> +' .. string.lower(command)
    .. (key and ' ~' .. key or ''))
end

if not redis.acl_check_cmd('TIME') then
  return no_right('TIME')
end

--[[
An error reply if the user may not do this, else nil. key: also a pattern such as authlink:session:*, which stands for
its keys: a user who may use them may use the key of that name. The words behind it are any: Redis 8 and later patch
releases refuse the question itself unless the command has as many as it takes. What a step may need is asked one by one,
without a table of it: to make the tables and to throw them away took longer than the questions.
]]
local may = redis.acl_check_cmd

local function lacks(command, key, ...)
  if not may(command, key, ...) then
    return no_right(command, key)
  end
end

--[[
The same for many: has_rights(may) asks for all by `may(command, key, ...)`, as often as that says true. Steps that are called
for every job ask so, without a call of a function of ours for each.
]]
local function missing_right(has_rights)
  local refused
  local is_whole = has_rights(may) or has_rights(function(command, key, ...)
    refused = lacks(command, key, ...)
    return not refused
  end)
  return not is_whole and refused or nil
end
