#!/usr/bin/env bash
# run.sh [PREFIX]: builds the programs with the library that is installed below PREFIX (default: /usr/local), and runs them.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
prefix=$(realpath -- "${1:-/usr/local}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cmake -S "$here" -B "$scratch" -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/cmake.log" || { cat "$scratch/cmake.log" && exit 1; }
cmake --build "$scratch"
"$here/check.sh" "$scratch" chain survive crash_service resume_2017 start_thread
