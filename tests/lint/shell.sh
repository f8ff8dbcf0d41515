#!/usr/bin/env bash
# Every shell script passes shellcheck.
set -euo pipefail
mapfile -t scripts < <(grep -rlIE '^#!/(usr/bin/env bash|bin/(ba)?sh)' scripts tests .ci --exclude-dir=node_modules | sort)
[ ${#scripts[@]} -ge 5 ] || { echo "found only ${#scripts[@]} scripts"; exit 1; }
shellcheck "${scripts[@]}"
