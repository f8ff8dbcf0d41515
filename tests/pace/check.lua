-- check.lua - a test is a sentence that is true and a function that fails with error() when it is not.
local check = {}

local ran, failures = 0, 0

function check.that(sentence, body)
  ran = ran + 1
  local ok, message = xpcall(body, function(message)
    return debug.traceback(message, 2)
  end)
  if not ok then
    failures = failures + 1
    print('FAIL ' .. sentence .. '\n     ' .. message)
  end
end

-- One test a row: rows are { name = ..., ... }.
function check.rows(sentence, rows, body)
  for _, row in ipairs(rows) do
    check.that(sentence .. ': ' .. row.name, function()
      body(row)
    end)
  end
end

function check.equal(got, expected, what)
  if got ~= expected then
    error(string.format('%s: got %s, expected %s', what, tostring(got), tostring(expected)), 2)
  end
end

function check.between(got, low, high, what)
  if not (got >= low and got <= high) then
    error(string.format('%s: got %.17g, expected %.17g to %.17g', what, got, low, high), 2)
  end
end

-- Ends the program.
function check.finish()
  print(string.format('%d of %d hold', ran - failures, ran))
  os.exit(failures == 0 and ran > 0 and 0 or 1)
end

return check
