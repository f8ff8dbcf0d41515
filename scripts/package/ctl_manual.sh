#!/bin/sh
# authlinkctl(1), made of what the program itself tells: `ctl_manual.sh PATH/OF/authlinkctl`. So it has every command and
# every option there is, and no other.
set -eu
program=$1

# Text for mdoc: nothing in it is a request or an escape.
shown() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/'/\\\\(aq/g" -e 's/"/\\(dq/g' -e 's/`/\\(dq/g' -e 's/^[.]/\\\&./'; }

# The indented lines of a help: a word or an option, two blanks or more, its text.
items() { # pattern of the first word
  grep -E "^  $1" | shown | sed -E -e 's/^  (.*[^ ])  +(.*)$/.It \1\n\2/' -e 's/^\.It ((\\-)+[a-z-]*(\\-[a-z]+)*) ?/.It Sy \1 No /' -e 's/ No \n/\n/'
}

cat <<'TEXT'
.Dd November 24, 2026
.Dt AUTHLINKCTL 1
.Os
.Sh NAME
.Nm authlinkctl
.Nd asks authlinkd for links, shows and steers it
.Sh SYNOPSIS
.Nm
.Ar command
.Op Ar option ...
.Op Ar argument ...
.Sh DESCRIPTION
TEXT
"$program" --help | sed -n '3,/^  /p' | grep -v '^  ' | sed '/^$/d' | shown
cat <<'TEXT'
It needs no key of the API.
What it works on is described in
.Xr authlinkd-redis 7 .
.Sh OPTIONS
Of every command:
.Bl -tag -width Ds
TEXT
"$program" --help | items --
common=$("$program" --help | grep -E '^  --')
echo .El
echo .Sh COMMANDS
"$program" --help | sed -nE 's/^  ([a-z]+)  .*/\1/p' | while read -r command; do
  help=$("$program" "$command" --help </dev/null)
  echo ".Ss $command"
  printf '%s\n' "$help" | sed -n '1s/^Usage: *//p' | shown | sed 's/^/.D1 /'
  echo .Pp
  printf '%s\n' "$help" | sed '1,2d' | grep -v '^  --' | sed '/^$/d' | shown
  own=$(printf '%s\n' "$help" | grep -E '^  --' | grep -vxF "$common" || :)
  if [ -n "$own" ]; then
    echo '.Bl -tag -width Ds'
    printf '%s\n' "$own" | items --
    echo .El
  fi
done
cat "$(dirname "$0")/../../daemon/ctl/authlinkctl.1.in"   # the JSON, which no help tells, and examples
echo .Sh EXIT STATUS
"$program" --help | sed -n '/Exit status:/,$p' | sed -E 's/^.*Exit status: *//' | shown
cat <<'TEXT'
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev NO_COLOR
Set to anything: no colours.
.It Ev TERM
dumb or not set: no colours, nothing is drawn anew.
.El
.Sh SEE ALSO
.Xr authlinkd.conf 5 ,
.Xr authlinkd-redis 7 ,
.Xr authlinkd 8
TEXT
