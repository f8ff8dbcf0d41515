#!/usr/bin/env lua5.1
--[[
test_figures.lua - the figures that are promised for the shared pace hold, with seeds it was not tuned on.

  tests/pace/test_figures.lua          limits up to 100/s, one seed
  tests/pace/test_figures.lua --long   every limit, three seeds; an hour (LuaJIT: a quarter of one)
]]
package.path = 'tests/pace/?.lua;' .. package.path
local cases = require('cases')
local check = require('check')
local measure = require('measure')

local long = arg[1] == '--long'
local seeds = long and { 51, 52, 53 } or { 51 }
local most = long and math.huge or 100
print('seeds ' .. table.concat(seeds, ', '))

for _, one in ipairs(cases.tables()) do
  for _, row in ipairs(one.rows) do
    for column, case in ipairs(row) do
      if case.bar and case.limit <= most and (long or case.limit * case.duration_sec < 100000) then
        check.that(table.concat({ one.title, row.name, one.columns[column] }, ', '), function()
          local worst = measure.worst(case, seeds)
          if not measure.holds(worst, case.bar) then
            error('got ' .. measure.text(worst) .. ', promised ' .. measure.text(case.bar), 0)
          end
        end)
      end
    end
  end
end

check.finish()
