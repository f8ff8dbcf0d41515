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
Redis 8 and later patch releases refuse the question itself unless the command has as many words as it takes.
What they say is no matter: which key is meant is known from the first. Not named here: as many as HGETALL.
]]
local WORDS_BEHIND_THE_KEY = {
  HDEL = 1, HEXISTS = 1, HGET = 1, HMGET = 1, PEXPIRE = 1, PEXPIREAT = 1, SET = 1, XDEL = 1, ZREM = 1, ZSCORE = 1,
  HINCRBY = 2, HSET = 2, HSETNX = 2, LRANGE = 2, LTRIM = 2, XRANGE = 2, ZADD = 2, ZRANGE = 2, XADD = 3,
}
local ANY_WORDS = { [0] = {}, { '1' }, { '1', '1' }, { '1', '1', '1' } }

--[[
An error reply if the user may not do all of this, else nil. needs: key or pattern -> commands. A pattern such
as authlink:session:* stands for its keys: a user who may use them may use the key of that name.
]]
local function missing_right(needs)
  local may = redis.acl_check_cmd
  for key, commands in pairs(needs) do
    for i = 1, #commands do
      local words = ANY_WORDS[WORDS_BEHIND_THE_KEY[commands[i]] or 0]
      if not may(commands[i], key, unpack(words)) then
        return no_right(commands[i], key)
      end
    end
  end
end
