#!/usr/bin/env bash
# exported_names.sh LIBRARY INCLUDE: the shared library has the functions that the public headers declare, and no others.
set -uo pipefail
library=$1 include=$2
declared=$(cat "$include"/zircon/*.h "$include"/zircon/syscalls/*.h "$include"/zxtask/*.h "$include"/magenta/*.h | sed 's|//.*||' |
  grep -oE '\b(zx|zxl|mx)_[a-z0-9_]+\(' | tr -d '(' | sort -u)
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sed 's/@.*//' | sort -u)
[[ $(wc -l <<<"$declared") -ge 24 ]] || { echo "found only these declarations: $declared"; exit 1; }
diff <(echo "$declared") <(echo "$exported") && echo "$(wc -l <<<"$declared") names"
