#!/usr/bin/env bash
# The manuals are clean, and name what the code knows: every setting, option, setting of the fake, key, field and reason.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0
complain() { echo "$*"; wrong=1; }

awk -f scripts/package/settings_manual.awk conf/authlinkd.conf conf/authlinkd.conf.5.in >"$work/authlinkd.conf.5"
scripts/package/ctl_manual.sh "${BUILD_DIR:-build}/authlinkctl" >"$work/authlinkctl.1"
pages=(daemon/app/authlinkd.8 daemon/queue/authlinkd-redis.7 tests/tools/conductor-fake/conductor-fake.1
  "$work/authlinkd.conf.5" "$work/authlinkctl.1")
for page in "${pages[@]}"; do
  warnings=$(LC_ALL=C.UTF-8 MANWIDTH=120 man --warnings --encoding=UTF-8 --local-file "$page" 2>&1 >"$work/$(basename "$page").txt" || :)
  [ -z "$warnings" ] || complain "$page: $warnings"
done
for page in daemon/*/*.[1-8]; do
  [[ " ${pages[*]} " == *" $page "* ]] || complain "$page: not among the pages of this test"
done

# page, what it must name, words ...: each as a word of its own in the page as people see it.
must_name() {
  local page=$1 what=$2 text word
  shift 2
  [ $# -gt 0 ] || complain "found no $what in the code: mend this test"
  # hyphenated words are put together again
  text=$(sed -E ':a; /‐$/ { N; s/‐\n *//; ba }' "$work/$page.txt")
  for word in "$@"; do
    grep -qP -- "(?<![A-Za-z0-9_-])\Q$word\E(?![A-Za-z0-9_-])" <<<"$text" || complain "$page does not name the $what $word"
  done
}

# A row of the table: name, and for numbers range and default. They stand in the page as `Range: MIN..MAX` and `Default: X`.
settings=0
while IFS='|' read -r name min max preset reload; do
  settings=$((settings + 1))
  entry=$(awk -v name="$name" '$1 == ".It" { inside = ($3 == name) } inside' "$work/authlinkd.conf.5")
  [ -n "$entry" ] || { complain "authlinkd.conf(5) does not name the setting $name"; continue; }
  [ -z "$min" ] || grep -qE "^Range: ${min//./\\.}\.\.${max//./\\.}( \(|\.$)" <<<"$entry" ||
    complain "authlinkd.conf(5): the range of $name is $min..$max"
  [ -z "$min" ] || grep -qE "^Default: ${preset//./\\.}(\.0)?\.$" <<<"$entry" ||
    complain "authlinkd.conf(5): the default of $name is $preset"
  [ -n "$min" ] || [ -z "$preset" ] || grep -qF "$preset" <<<"$entry" ||
    complain "authlinkd.conf(5): the default of $name is $preset"
  if [ "$reload" = NEEDS_RESTART ]; then
    grep -qx "Change: restart\." <<<"$entry" || complain "authlinkd.conf(5): a change of $name needs a restart"
  fi
done < <(sed -nE \
  -e 's/^    (NUMBER|DOUBLE)\("([a-z_.]+)", [a-z_.]+, ([0-9.]+), ([0-9.]+), ([0-9.]+), ([A-Z_]+),.*/\2|\3|\4|\5|\6/p' \
  -e 's/^    (TEXT|HOSTS)\("([a-z_.]+)", [a-z_.]+, "([^"]*)", ([a-z_]+, )?([A-Z_]+)\),.*/\2|||\3|\5/p' \
  daemon/config/spec.c)
rows=$(grep -cE '^    (NUMBER|DOUBLE|TEXT|HOSTS)\("' daemon/config/spec.c)
[ "$settings" -eq "$rows" ] || complain "read $settings of the $rows settings of spec.c: mend this test"

# every command with an entry of its own, every option of its help
mapfile -t commands < <("${BUILD_DIR:-build}/authlinkctl" --help | sed -nE 's/^  ([a-z]+)  .*/\1/p')
for command in "${commands[@]}"; do
  grep -qx "\.Ss $command" "$work/authlinkctl.1" || complain "authlinkctl(1) has no entry for $command"
  mapfile -t options < <("${BUILD_DIR:-build}/authlinkctl" "$command" --help | grep -oE '^  --[a-z-]+' | tr -d ' ')
  must_name authlinkctl.1 option "${options[@]}"
done
must_name authlinkctl.1 command "${commands[@]}"

words() { grep -ohP "$@" | sort -u || :; }
mapfile -t options < <(words '^ *" .*\K--[a-z-]+' daemon/app/options.c; words '^ *"  \K-[a-zA-Z](?=,)' daemon/app/options.c)
must_name authlinkd.8 option "${options[@]}"
mapfile -t codes < <(words 'APP_EXIT_\w+ = \K\d+' daemon/app/app.h)
must_name authlinkd.8 'exit status' "${codes[@]}"
mapfile -t variables < <(words 'getenv\("\K[A-Z_]+|"\KCONDUCTOR_[A-Z_]+' daemon/{app,config,queue,conductor,core,base}/*.c)
must_name authlinkd.8 variable "${variables[@]}"
mapfile -t variables < <(words 'getenv\("\K[A-Z_]+' daemon/ctl/*.c)
must_name authlinkctl.1 variable "${variables[@]}"
mapfile -t credentials < <(sed -nE 's/^LoadCredential=[^:]*:(.*)/\1/p' systemd/*.service)
must_name authlinkd.8 credential "${credentials[@]//%i/NAME}"

mapfile -t members < <(words 'json_(text|int|double|bool|null|open_array|open_object)\(&?json, "\K[a-zA-Z]+' daemon/ctl/*.c)
must_name authlinkctl.1 'member of JSON' "${members[@]}"

mapfile -t keys < <(words '(, "|"%s:)\K[a-z]+(?=")|%s:\K[a-z]+(?=:%s)' daemon/queue/keys.c; words "':\K[a-z]+(?=:')" daemon/queue/lua/common.lua)
must_name authlinkd-redis.7 key "${keys[@]}"
mapfile -t reasons < <(words "'\K(bad_[a-z]+|too_[a-z]+|poison)(?=')" daemon/queue/lua/*.lua)
must_name authlinkd-redis.7 reason "${reasons[@]}" rejected gave_up
mapfile -t counters < <(words "(count\(|call\('H[A-Z]+', STATS, )'\K[a-zA-Z]+" daemon/queue/lua/*.lua)
must_name authlinkd-redis.7 counter "${counters[@]}"
# names in calls that write hashes and streams: 'name', value
mapfile -t fields < <(sed -n "/\(call\|how\)('\(HSET\|XADD\)', \(key\|streams\)/,/)\$/p; /write_event(/,/)\$/p" daemon/queue/lua/{dead_letters,claim,settle}.lua |
  words "'\K[a-z][a-zA-Z]+(?=', )")
must_name authlinkd-redis.7 field "${fields[@]}"
mapfile -t members < <(words "(members|known|MEMBERS)?\W\K(endUserId|linkExpiryMins|redirectUrl|force|ref|enqueuedAtMs|notAfterMs)\b" daemon/queue/lua/job_object.lua)
must_name authlinkd-redis.7 member "${members[@]}"
mapfile -t instance < <(sed -n '/fields\[\]\[2\]/,/};/p' daemon/queue/fleet.c | words '\{"\K[a-z][a-zA-Z]+(?=")')
must_name authlinkd-redis.7 'field of instances' "${instance[@]}"

mapfile -t fakes < <(words '^    (INT|REAL|FLAG|TEXT|CHOICE)\("\K[a-zA-Z]+' tests/tools/conductor-fake/settings.c | sed -E 's/([A-Z])/-\L\1/g; s/^/--/')
must_name conductor-fake.1 option "${fakes[@]}"
exit $wrong
