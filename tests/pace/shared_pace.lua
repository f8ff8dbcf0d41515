-- shared_pace.lua - loads the very parts of the pace that go into Redis, as settle.lua has them.
local texts = {}
for _, name in ipairs({ 'pace_headers', 'pace_learn', 'pace_learned' }) do
  local file = assert(io.open('daemon/queue/lua/' .. name .. '.lua'))
  texts[#texts + 1] = 'function ' .. name .. '()\n' .. file:read('*a') .. 'end\n'
  file:close()
end
local file = assert(io.open('daemon/queue/lua/pace.lua'))
local text = 'local pace_headers, pace_learn, pace_learned\n' .. file:read('*a') .. table.concat(texts) .. 'pace_learned()\nreturn pace'
file:close()
return assert(loadstring(text, '@pace'))()
