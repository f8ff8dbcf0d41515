#!/usr/bin/env lua5.1
--[[
readme_table.lua - prints the README's table of the simulation: the worst of the seeds, 11, 12 and 13 unless others are named.

  tests/pace/readme_table.lua [SEED,SEED,SEED]
]]
package.path = 'tests/pace/?.lua;' .. package.path
local cases = require('cases')
local measure = require('measure')

local ROWS = {
  { 'token 0.1s', 'token bucket, 0.1 s of burst' }, { 'token 1s', 'token bucket, 1 s of burst' },
  { 'token 10s', 'token bucket, 10 s of burst' }, { 'fixed 1s', 'fixed windows of 1 s' }, { 'slide 1s', 'sliding log of 1 s' },
  { 'slide rej', 'sliding log that counts refusals' }, { 'token rej', 'token bucket that counts refusals' },
  { 'nginx 20n', 'nginx `limit_req`, burst 20, nodelay' }, { 'nginx 20d', 'nginx `limit_req`, burst 20, delayed' },
  { 'token 1 only', 'one request, no burst at all' },
}
local RATES = { 20, 100, 500 }
local TOLD = { 'known', 'unknown' }
local seeds = measure.seeds(arg[1] or '11,12,13')

local function table_named(name)
  for _, one in ipairs(cases.tables()) do
    if one.name == name then
      return one
    end
  end
end

local function cell(one, row_name, rate)
  for _, row in ipairs(one.rows) do
    for column, name in ipairs(one.columns) do
      if row.name == row_name and name == rate .. '/s' then
        local worst = measure.worst(row[column], seeds)
        return string.format(' %.1f / %.1f |', 100 * worst.share, 100 * worst.refused)
      end
    end
  end
end

io.write('| the API counts by |')
for _, told in ipairs(TOLD) do
  for _, rate in ipairs(RATES) do
    io.write(' ', told, ' ', rate, '/s |')
  end
end
print('\n|' .. string.rep(' --- |', 1 + #TOLD * #RATES))
for _, row in ipairs(ROWS) do
  io.write('| ', row[2], ' |')
  for _, told in ipairs(TOLD) do
    for _, rate in ipairs(RATES) do
      io.write(cell(table_named(told), row[1], rate))
      io.flush()
    end
  end
  print()
end
