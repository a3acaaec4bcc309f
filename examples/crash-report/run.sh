#!/usr/bin/env bash
# Builds crash.c, runs it under zxctl and reads the JSON report. ZX_BIN says where zxctl is; otherwise it comes from PATH.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
zxctl=${ZX_BIN:+$ZX_BIN/}zxctl
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cc -g -O0 -o "$scratch/crash" "$here/crash.c"

# A program that dies of a signal gives its shell 128 + the signal's number, supervised or not: SIGSEGV is 11.
status=0
"$zxctl" run --report=json --report-file "$scratch/report.json" -- "$scratch/crash" || status=$?
[[ $status -eq 139 ]] || { echo "expected to die of SIGSEGV (139), got status $status" >&2 && exit 1; }

"${ZX_PYTHON:-python3}" "$here/read_report.py" "$scratch/report.json"
