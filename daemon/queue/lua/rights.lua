--[[
rights.lua - a step whose Redis user lacks a right is refused whole, before its first write.

Redis asks for rights at each command of a script, so a step that lacks one would stop half way: new places
written, old ones not cleared, and the same again at every repetition. Each step names here what it may need.
What it names and what conf/authlinkd.acl grants must stay together: tests/redis/test_rights.c.

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
An error reply if the user may not do all of this, else nil. needs: key or pattern -> commands. A pattern such
as authlink:session:* stands for its keys: a user who may use them may use the key of that name.
]]
local function missing_right(needs)
  local may = redis.acl_check_cmd
  for key, commands in pairs(needs) do
    if not may('TYPE', key) then
      return no_right('TYPE', key)
    end
    for i = 1, #commands do
      if not may(commands[i], key) then
        return no_right(commands[i], key)
      end
    end
  end
end
