#!/usr/bin/env bash
# Functions that are not used here, marks of unfinished work, and paths of somebody's machine.
set -euo pipefail

wrong=0
refuse() { # pattern, why, path ...
  local pattern=$1 why=$2
  shift 2
  local hits
  hits=$(grep -rnIP --exclude-dir=node_modules --exclude-dir=__pycache__ --exclude=words.sh -e "$pattern" "$@" || [ $? -eq 1 ])
  if [ -n "$hits" ]; then
    printf '%s:\n%s\n' "$why" "$hits"
    wrong=1
  fi
}

refuse '(?<![\w.>])(strcpy|strcat|strncpy|sprintf|vsprintf|strtok|atoi|atol|sscanf|gets|localtime|alloca|system)\s*\(' \
  'banned function' daemon --include='*.[ch]'
refuse '\b(redisCommand|redisvCommand|redisFormatCommand|redisvFormatCommand|redisAppendCommand)\s*\(' \
  'hiredis by format string' daemon --include='*.[ch]'
refuse '\bcJSON_(GetObjectItem|HasObjectItem|Parse|ParseWithLength|ParseWithOpts)\s*\(' \
  'lax cJSON function' daemon --include='*.[ch]'
refuse '\b(TO''DO|FIX''ME|XX''X|HA''CK)\b' 'mark of unfinished work' daemon scripts tests systemd conf CMakeLists.txt
refuse '^\s*#\s*if\s+0\b' 'code switched off' daemon tests
refuse '(^|[^\w.])/(work|farm|root)/' 'path of one machine' daemon scripts tests systemd conf CMakeLists.txt
exit $wrong
