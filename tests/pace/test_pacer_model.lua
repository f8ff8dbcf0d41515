#!/usr/bin/env lua5.1
-- test_pacer_model.lua - the pacer of the simulation is core/pacer.c: the same runs of slots, stalls and looks at both.
package.path = 'tests/pace/?.lua;' .. package.path
local check, random, pacer = require('check'), require('random'), require('pacer')

local SEC = 1000000
local LOOKS = 3000
local ROUNDING_US = 500   -- C counts in whole us, so a late line drifts by up to one a job, and lasts some hundred jobs

-- Asks the model, and notes what was asked and answered: lists of lines.
local function notebook()
  local book = { asked = {}, told = {} }
  local line = pacer.new()

  function book.add(slot_us, claim)
    line.add({ slot = slot_us / SEC, slot_us = slot_us, claim = claim })
    book.asked[#book.asked + 1] = string.format('add %d %d', slot_us, claim)
  end

  function book.drop(before_us)
    line.drop(before_us / SEC)
    book.asked[#book.asked + 1] = string.format('drop %d', before_us)
  end

  -- True if a job was sent. An instant within the rounding of when it is due is left out: either answer is right.
  function book.take(now_us)
    local due = line.due()
    if due and math.abs(due * SEC - now_us) <= ROUNDING_US then
      return false
    end
    book.asked[#book.asked + 1] = string.format('take %d', now_us)
    if not due then
      book.told[#book.told + 1] = { 'empty' }
    elseif due * SEC > now_us then
      book.told[#book.told + 1] = { 'later', due * SEC - now_us }
    else
      book.told[#book.told + 1] = { 'sent', line.take(now_us / SEC).slot_us }
      return true
    end
    return false
  end

  return book
end

-- Claims of 1 to 40 slots at a rate of their own, looks some ms apart, and now and then a stall.
local function play(seed)
  local dice, book = random.new(seed), notebook()
  local now_us, next_slot_us, claim = 1700 * SEC, 1700 * SEC, 0
  local gap_us = math.floor(SEC / (10 + 990 * dice.uniform()))
  for _ = 1, LOOKS do
    now_us = now_us + math.floor(12000 * dice.uniform())
    if dice.uniform() < 0.01 then
      now_us = now_us + math.floor(400000 * dice.uniform())
    end
    if next_slot_us < now_us + 100000 then
      claim = claim + 1
      next_slot_us = math.max(next_slot_us, now_us) + (dice.uniform() < 0.3 and 7 * gap_us or 0)
      local burst = dice.uniform() < 0.3 and 3 or 1   -- its first slots are one instant
      for i = 1, 1 + math.floor(40 * dice.uniform()) do
        book.add(next_slot_us, claim)
        next_slot_us = next_slot_us + (i < burst and 0 or gap_us)
      end
    end
    book.drop(now_us - 250000)
    while book.take(now_us) do end
  end
  return book
end

local function answers_of_c(book)
  local name = os.tmpname()
  local file = assert(io.open(name, 'w'))
  file:write(table.concat(book.asked, '\n'), '\n')
  file:close()
  local answers = {}
  local pipe = assert(io.popen((os.getenv('BUILD_DIR') or 'build') .. '/tests/ask-pacer < ' .. name))
  for line in pipe:lines() do
    answers[#answers + 1] = line
  end
  pipe:close()
  os.remove(name)
  return answers
end

local seeds = {}
for seed = 1, 20 do
  seeds[seed] = { name = 'seed ' .. seed, seed = seed }
end

check.rows('the model answers as core/pacer.c does', seeds, function(row)
  local book = play(row.seed)
  local answers, sent = answers_of_c(book), 0
  check.equal(#answers, #book.told, 'answers')
  for i, told in ipairs(book.told) do
    local word, number = string.match(answers[i], '^(%a+) ?(%d*)$')
    check.equal(word, told[1], 'answer ' .. i)
    if word == 'sent' then
      sent = sent + 1
      check.equal(tonumber(number), told[2], 'slot of answer ' .. i)
    elseif word == 'later' then
      check.between(tonumber(number), told[2] - ROUNDING_US, told[2] + ROUNDING_US, 'wait of answer ' .. i)
    end
  end
  check.between(sent, 100, math.huge, 'jobs sent')
end)

check.finish()
