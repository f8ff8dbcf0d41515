-- shared_pace.lua - loads the very pace.lua that goes into Redis.
local path = os.getenv('PACE_LUA') or 'daemon/queue/lua/pace.lua'
local file = assert(io.open(path))
local text = file:read('*a')
file:close()
return assert(loadstring(text .. '\nreturn pace', '@' .. path))()
