#!/usr/bin/env bash
# A step of daemon/queue/lua/ names no global but those that Redis has: a part that is used before it stands there is one.
set -euo pipefail
cd "$(dirname "$0")/../.."
known=' ARGV KEYS cjson error ipairs math next pairs pcall redis select setmetatable string table tonumber type unpack '
wrong=0

text_of() { # part, or (part)
  local name=${1#(}
  name=${name%)}
  if [ "$name" = "$1" ]; then cat "daemon/queue/lua/$name.lua"; return; fi
  echo "local function $name(...)"
  cat "daemon/queue/lua/$name.lua"
  echo end
}

mapfile -t steps < <(grep -l '^-- step flags=' daemon/queue/lua/*.lua)
for step in "${steps[@]}"; do
  IFS=, read -ra parts <<<"$(sed -n '1s/.*needs=//p' "$step")"
  listing=$({ for part in "${parts[@]}"; do text_of "$part"; done; cat "$step"; } | luac5.1 -p -l -)
  mapfile -t names < <(sed -n 's/.*[GS]ETGLOBAL.*; //p' <<<"$listing" | sort -u)
  for name in "${names[@]}"; do
    case $known in *" $name "*) ;; *) echo "$step: $name is no local, and no global of Redis"; wrong=1 ;; esac
  done
done
exit $wrong
