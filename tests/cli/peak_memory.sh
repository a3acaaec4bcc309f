#!/usr/bin/env bash
# A supervised program's peak memory starts at zxctl's own (quirk Q20), which therefore has to stay small.
set -euo pipefail
bound_kib=8192

bare=$("$ZX_TARGETS/target_peak")
supervised=$("$ZX_BIN/zxctl" run -- "$ZX_TARGETS/target_peak")
echo "peak: $bare KiB bare, $supervised KiB supervised"
if [[ $supervised -le $bare ]]; then
  echo "the kernel no longer keeps the peak over exec: quirk Q20 is out of date" >&2
  exit 1
elif [[ $supervised -gt $bound_kib ]]; then
  echo "zxctl takes more than $bound_kib KiB before it becomes the program" >&2
  exit 1
fi
