-- shared_pace.lua - loads the very parts of the pace that go into Redis.
local parts = {}
for _, name in ipairs({ 'pace', 'pace_headers', 'pace_learn' }) do
  local file = assert(io.open('daemon/queue/lua/' .. name .. '.lua'))
  parts[#parts + 1] = file:read('*a')
  file:close()
end
return assert(loadstring(table.concat(parts) .. '\nreturn pace', '@pace'))()
