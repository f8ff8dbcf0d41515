#!/usr/bin/env bash
# The units are as closed as they can be, known to this systemd, and alike; the version is the same wherever it stands.
set -euo pipefail

wrong=0
complain() { echo "$*"; wrong=1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/usr/sbin" "$work/usr/lib/systemd"
printf '#!/bin/sh\n' >"$work/usr/sbin/authlinkd"
chmod +x "$work/usr/sbin/authlinkd"

for unit in systemd/*.service; do
  name=$(basename "${unit/@/@one}")
  # the path of the program is made one that is there; nothing else of the unit changes
  sed "s|=/usr/sbin/authlinkd --|=$work/usr/sbin/authlinkd --|" "$unit" >"$work/$name"
  said=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$work/$name" 2>&1 | grep -F "$work/$name" || :)
  [ -z "$said" ] || complain "$unit: $said"
  # 1.1; what is left is the network itself, AF_UNIX for systemd, and addresses that only the administrator knows
  systemd-analyze security --offline=true --threshold=11 --no-pager "$work/$name" >"$work/report" 2>&1 ||
    complain "$unit: $(tail -n 1 "$work/report")"
  grep -q 'Overall exposure level' "$work/report" || complain "$unit: not judged: $(tail -n 1 "$work/report")"
done

# The template is the unit under other names.
expected=$(sed -e 's|^\(Description=.*\)|\1, project %i|' -e 's|/authlinkd\.conf|/%i.conf|' \
  -e 's|^RuntimeDirectory=authlinkd$|&-%i|' -e 's|^\(LoadCredential=.*:authlinkd\.\)|\1%i.|' systemd/authlinkd.service)
difference=$(diff <(echo "$expected") <(sed '1,/^\[Unit\]$/{/^#/d}' 'systemd/authlinkd@.service') || :)
[ -z "$difference" ] || complain "authlinkd@.service is not authlinkd.service under other names:"$'\n'"$difference"

version=$(sed -nE 's/^project\(authlinkd VERSION ([0-9.]+) .*/\1/p' CMakeLists.txt)
packaged=$(sed -nE '1s/^authlinkd \(([0-9.]+)-[0-9]+\).*/\1/p' scripts/package/debian/changelog)
told=$(sed -nE 's/^## ([0-9.]+).*/\1/p' CHANGELOG.md | head -n 1)
[ -n "$version" ] || complain "found no version in CMakeLists.txt"
[ "$packaged" = "$version" ] || complain "debian/changelog has version $packaged, CMakeLists.txt $version"
[ "$told" = "$version" ] || complain "CHANGELOG.md has version $told, CMakeLists.txt $version"
exit $wrong
