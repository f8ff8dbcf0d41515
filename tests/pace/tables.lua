#!/usr/bin/env lua5.1
--[[
tables.lua - prints the tables of the shared pace; the way to see what a change of pace.lua does.

  tests/pace/tables.lua [--seeds 11,12,13] [--rates LOW-HIGH] [TABLE ...]

A cell is: % of the limit used / % of 429s / seconds until found; the worst of the seeds. `!`: below the bar.
Fast runs: --rates 2-100. All of it takes about an hour of CPU with Lua 5.1; LuaJIT, if there, is five
times as fast and prints the same.
]]
package.path = 'tests/pace/?.lua;' .. package.path
local cases = require('cases')
local measure = require('measure')

local seeds, wanted, low, high = { 11, 12, 13 }, {}, 0, math.huge
local at = 1
while arg[at] do
  if arg[at] == '--seeds' then
    seeds = measure.seeds(arg[at + 1])
    at = at + 1
  elseif arg[at] == '--rates' then
    low, high = string.match(arg[at + 1], '^([%d.]+)-([%d.]+)$')
    low, high = tonumber(low), tonumber(high)
    at = at + 1
  else
    wanted[arg[at]] = true
  end
  at = at + 1
end

local function cell(case)
  if case.limit < low or case.limit > high then
    return ''
  end
  local worst = measure.worst(case, seeds)
  local failed = case.bar and not measure.holds(worst, case.bar)
  return measure.text(worst) .. (failed and ' !' or '')
end

print('share of the limit % / 429 % / seconds until found; worst of seeds ' .. table.concat(seeds, ', '))
for _, one in ipairs(cases.tables()) do
  if not next(wanted) or wanted[one.name] then
    print('\n' .. one.title .. '\n\n| |' .. table.concat(one.columns, '|') .. '|\n|---|' .. string.rep('---|', #one.columns))
    for _, row in ipairs(one.rows) do
      io.write('|', row.name, '|')
      for _, case in ipairs(row) do
        io.write(cell(case), '|')
        io.flush()
      end
      print()
    end
  end
end
