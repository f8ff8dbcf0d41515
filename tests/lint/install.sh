#!/usr/bin/env bash
# `cmake --install` obeys DESTDIR and --prefix, makes units with the paths of the installation, and never touches a
# configuration that is there.
set -euo pipefail

wrong=0
complain() { echo "$*"; wrong=1; }
build=${BUILD_DIR:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install_to() { DESTDIR="$work/$1" cmake --install "$build" --prefix "$2" >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }; }
there() { # folder, paths below it
  local folder=$1 path
  shift
  for path in "$@"; do
    [ -s "$work/$folder/$path" ] || complain "$folder: no $path"
  done
}
pages="share/man/man1/authlinkctl.1 share/man/man5/authlinkd.conf.5 share/man/man7/authlinkd-redis.7 share/man/man8/authlinkd.8"
below="bin/authlinkctl sbin/authlinkd lib/systemd/system/authlinkd.service lib/systemd/system/authlinkd@.service
  lib/sysusers.d/authlinkd.conf share/doc/authlinkd/README.md share/doc/authlinkd/examples/authlinkd.acl
  share/doc/authlinkd/examples/prometheus/authlinkd.rules.yml share/doc/authlinkd/examples/grafana/authlinkd.json $pages"

# shellcheck disable=SC2086 # words on purpose
for case in "system /usr etc" "local /usr/local etc" "own /opt/authlinkd opt/authlinkd/etc"; do
  read -r name prefix etc <<<"$case"
  install_to "$name" "$prefix"
  there "$name${prefix}" $below
  there "$name" "$etc/authlinkd/authlinkd.conf"
  stray=$(find "$work/$name" -type f -not -path "$work/$name$prefix/*" -not -path "$work/$name/$etc/authlinkd/*")
  [ -z "$stray" ] || complain "$name: outside of the prefix: $stray"
  for unit in "$work/$name$prefix"/lib/systemd/system/*.service; do
    grep -q "^ExecStart=$prefix/sbin/authlinkd --config /$etc/authlinkd/" "$unit" || complain "$unit: wrong paths in ExecStart"
    grep -q "^ExecPaths=$prefix/sbin/authlinkd " "$unit" || complain "$unit: wrong path in ExecPaths"
  done
done
cmp -s "$work/system/usr/lib/systemd/system/authlinkd.service" systemd/authlinkd.service ||
  complain "the unit below /usr is not systemd/authlinkd.service"

echo "// mine" >"$work/system/etc/authlinkd/authlinkd.conf"
install_to system /usr
[ "$(cat "$work/system/etc/authlinkd/authlinkd.conf")" = "// mine" ] || complain "a second installation overwrote the configuration"
grep -q "^-- Kept: /etc/authlinkd/authlinkd.conf" "$work/said" || complain "it does not say that the configuration was kept"
exit $wrong
