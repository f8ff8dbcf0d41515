-- shared_pace.lua - loads the very parts of the pace that go into Redis, in the order of settle.lua; load(values) reads all
-- fields of the hash, load_text(values) those that every settle reads.
local texts = {}
for _, part in ipairs({ 'pace', '(pace_headers)', '(pace_learn)', '(pace_learned)', 'pace_answers' }) do
  local name = string.match(part, '[%l_]+')
  local file = assert(io.open('daemon/queue/lua/' .. name .. '.lua'))
  local text = file:read('*a')
  file:close()
  texts[#texts + 1] = part == name and text or 'local function ' .. name .. '(...)\n' .. text .. 'end\n'
end
local pace = assert(loadstring(table.concat(texts) .. 'pace_learned()\nreturn pace', '@pace'))()

function pace.load_text(values)
  local state = pace.load_line(values)
  state.learned = values[#pace.FIELDS] or ''
  return state
end

function pace.load(values)
  local state = pace.load_text(values)
  pace.load_learned(state)
  return state
end

return pace
