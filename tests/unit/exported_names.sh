#!/usr/bin/env bash
# exported_names.sh LIBRARY INCLUDE: the shared library has the functions that the public headers declare, and no others. What
# zxtask/target.h has is not the library's: it runs in a program that does not have it.
set -uo pipefail
library=$1 include=$2
headers=("$include"/{zircon,zircon/syscalls,zxtask,magenta}/*.h)
declared=$(cat "${headers[@]/*\/zxtask\/target.h//dev/null}" | sed 's|//.*||' |
  grep -oE '\b(zx|zxl|mx)_[a-z0-9_]+\(' | tr -d '(' | sort -u)
exported=$(nm -D --defined-only "$library" | sed 's/.* //; s/@.*//' | sort -u)
[[ $(wc -l <<<"$declared") -ge 24 ]] || { echo "found only these declarations: $declared"; exit 1; }
# What a minimal system has: neither awk nor diff.
differing=$(comm -3 <(echo "$declared") <(echo "$exported"))
[[ -z $differing ]] || { printf 'only declared, or (indented) only exported:\n%s\n' "$differing"; exit 1; }
echo "$(wc -l <<<"$declared") names"
