# Writes OUT: one byte array for each step in LUA_DIR.
#
# A step is a .lua file whose first line names its flags and the parts that stand before it:
#   -- step flags=allow-oom needs=common,(dead_letters),pace
# A file without that line is a part. One in parentheses becomes a function of its name, so that what it defines is made
# when it is called: a call makes all functions of its text anew, and most are for what seldom comes. The shebang that
# Redis 7 wants is put first (`#!lua flags=...`).
file(GLOB files "${LUA_DIR}/*.lua")
list(SORT files)
set(text "/* Generated from daemon/queue/lua/ by embed.cmake. */\n#include <stddef.h>\n\n#include \"queue/lua/steps.h\"\n")

foreach(file IN LISTS files)
  file(STRINGS "${file}" first_line LIMIT_COUNT 1)
  if(NOT first_line MATCHES "^-- step flags=([a-z-]*) needs=([a-z_,()]*)")
    continue()
  endif()
  set(flags "${CMAKE_MATCH_1}")
  string(REPLACE "," ";" parts "${CMAKE_MATCH_2}")
  get_filename_component(name "${file}" NAME_WE)

  if(flags STREQUAL "")
    set(shebang "#!lua\n")
  else()
    set(shebang "#!lua flags=${flags}\n")
  endif()
  string(HEX "${shebang}" hex)
  foreach(part IN LISTS parts)
    set(head "")
    set(tail "")
    if(part MATCHES "^\\((.*)\\)$")
      set(part "${CMAKE_MATCH_1}")
      string(HEX "local function ${part}(...)\n" head)
      string(HEX "end\n" tail)
    endif()
    file(READ "${LUA_DIR}/${part}.lua" part_hex HEX)
    string(APPEND hex "${head}${part_hex}${tail}")
  endforeach()
  file(READ "${file}" step_hex HEX)
  string(APPEND hex "${step_hex}")

  string(LENGTH "${hex}" digits)
  math(EXPR len "${digits} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text "\nconst unsigned char lua_${name}[] = {${bytes}};\nconst size_t lua_${name}_len = ${len};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
