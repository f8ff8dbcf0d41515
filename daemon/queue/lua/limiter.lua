-- limiter.lua - the pace in its hash, :limiter.
local stored_line   -- as it stands there

-- The line of slots, and the texts of other fields. The names are those of pace.FIELDS, written out, for a list of them would
-- have to be made first.
local function load_line(key, ...)
  local texts = call('HMGET', key, 'nextUs', 'pace', 'base', 'fromUs', 'dryUs', 'darkUs', 'sinceUs', 'perSec', 'burst',
    'maxPerSec', ...)
  local state = pace.load_line(texts)
  stored_line = pace.line_of(state)
  if pace.is_lost(state) then
    pace_learned()   -- advance() starts it anew
  end
  return state, unpack(texts, #pace.FIELDS)
end

-- Writes what has changed, and these other fields.
local function store_pace(key, state, ...)
  local fields = pace.fields(state, stored_line)
  for i = 1, select('#', ...) do
    fields[#fields + 1] = select(i, ...)
  end
  if #fields > 0 then
    call('HSET', key, unpack(fields))
  end
end
