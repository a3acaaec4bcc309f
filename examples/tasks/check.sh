#!/usr/bin/env bash
# check.sh FOLDER NAME…: runs the programs in FOLDER. Each has to end well and to say what NAME.expected has; what differs
# from run to run, pids and addresses, is N there, and programs that run side by side may print in any order.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
folder=$1
for name in "${@:2}"; do
  echo "$name"
  said=$("$folder/$name") || { echo "$said" && echo "$name failed" && exit 1; }
  [[ $name != crash_service ]] ||
    said=$(sed -E 's/0x[0-9a-f]{2,}/0xN/g; s/pid [0-9]+/pid N/' <<<"$said" | LC_ALL=C sort)
  diff "$here/$name.expected" - <<<"$said"
done
