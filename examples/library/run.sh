#!/usr/bin/env bash
# run.sh [PREFIX]: builds both programs against the library that is installed below PREFIX (default: /usr/local), with CMake
# and with make, shared and static, and runs them.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
prefix=$(realpath -- "${1:-/usr/local}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check PROGRAM [VARIABLE=VALUE…]: it has to say what NAME.expected has.
check() {
  local name
  name=$(basename "${1%-static}")
  echo "$1"
  env "${@:2}" "$1" | diff "$here/$name.expected" -
}

cd "$scratch"
cmake -S "$here" -B cmake -DCMAKE_PREFIX_PATH="$prefix" >cmake.log || { cat cmake.log && exit 1; }
cmake --build cmake
for program in inbox inbox-static pool pool-static; do check "cmake/$program"; done

export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
cp -r "$here" shared
cp -r "$here" static
make -C shared
make -C static STATIC=1
for program in inbox pool; do
  check "shared/$program" LD_LIBRARY_PATH="$prefix/lib"
  check "static/$program"
done
