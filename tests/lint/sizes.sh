#!/usr/bin/env bash
# No function over 60 lines, no file over 450.
set -euo pipefail

mapfile -t files < <(find daemon tests -name '*.[ch]' | sort)
[ ${#files[@]} -gt 20 ] || { echo "found no sources to check"; exit 1; }

long_functions=$(ctags -o - --languages=C --kinds-C=f --fields=+ne --output-format=u-ctags "${files[@]}" |
  awk -F'\t' '/^!/ { next }
    { line = 0; end = 0
      for (i = 4; i <= NF; i++) {
        if ($i ~ /^line:/) line = substr($i, 6)
        if ($i ~ /^end:/) end = substr($i, 5)
      }
      seen++
      if (end - line + 1 > 60) printf "%s:%d: %s() has %d lines, 60 are the limit\n", $2, line, $1, end - line + 1 }
    END { if (seen < 50) print "ctags found only " seen " functions" }')
long_files=$(wc -l "${files[@]}" | awk '$2 != "total" && $1 > 450 { print $2 ": " $1 " lines, 450 are the limit" }')
[ -z "$long_functions$long_files" ] || { printf '%s\n%s\n' "$long_functions" "$long_files"; exit 1; }
