#!/usr/bin/env bash
# A folder of daemon/ includes only itself and what stands below it; queue/ and conductor/ never see each other.
set -euo pipefail

declare -A below=(
  [base]="base"
  [core]="core base"
  [conductor]="conductor core base"
  [queue]="queue core base"
  [config]="config queue conductor core base"
  [app]="app config queue conductor core base"
  [ctl]="ctl config queue core base"
)
wrong=0
for folder in daemon/*/; do
  layer=$(basename "$folder")
  if [ -z "${below[$layer]-}" ]; then
    echo "$folder is no layer: name it in this test, with what stands below it"
    wrong=1
    continue
  fi
  while IFS=: read -r file line include; do
    target=$(sed -E 's/^ *# *include *"([^"/]*)\/.*/\1/' <<<"$include")
    if [[ " ${below[$layer]} " != *" $target "* ]]; then
      echo "$file:$line: $layer/ must not include $target/"
      wrong=1
    fi
  done < <(grep -rnE '^ *# *include *"' --include='*.[ch]' "$folder" || [ $? -eq 1 ])
done
exit $wrong
