#!/usr/bin/env bash
# installed_library.sh ROOT BUILD: what is installed is complete, lies below DESTDIR only, works wherever it is moved to, and
# programs build against it. No link of its documents leads nowhere.
set -euo pipefail
root=$1 build=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "$*"
  exit 1
}

DESTDIR="$scratch/stage" cmake --install "$build" --prefix /opt/zx >"$scratch/install.log" || fail "$(cat "$scratch/install.log")"
[[ $(cd "$scratch/stage" && echo * */*) == "opt opt/zx" ]] || fail "outside of the prefix: $(cd "$scratch/stage" && echo */*)"

# Relocatable: no file names the place that it was built in or installed to, and it works in another one.
prefix="$scratch/elsewhere"
mv "$scratch/stage/opt/zx" "$prefix"
if grep -rF -e "$root" -e "$build" -e "$scratch" -e /opt/zx "$prefix"/{include,lib/cmake,lib/pkgconfig}; then
  fail "these lines name a place"
fi

expected=$(cd "$root/include" && find . -name '*.h' | sed 's|^\./|include/|')
expected+="
bin/zxctl
lib/cmake/zxtask/zxtask-config-version.cmake
lib/cmake/zxtask/zxtask-config.cmake
lib/cmake/zxtask/zxtask-targets.cmake
lib/libzxtask.a
lib/libzxtask.so
lib/libzxtask.so.0
lib/pkgconfig/zxtask.pc
libexec/zxctl/zxtask-guest
libexec/zxctl/zxtask-report
libexec/zxctl/zxtask-tracer
share/doc/zxctl/README.md
share/doc/zxctl/examples/README.md"
while read -r file; do [[ -s $prefix/$file ]] || fail "not installed: $file"; done <<<"$expected"

# relative_links FOLDER: "FILE TARGET" for each link of its Markdown files that names a file.
relative_links() {
  (cd "$1" && grep -roP --include='*.md' '\]\(\K[^)#\s]+(?=[)#])' . | sed 's/:/ /' | grep -vE ' [a-z]+:')
}

# dead_links FOLDER: those of which there is no such file.
dead_links() {
  local file target
  while read -r file target; do
    [[ -e $1/$(dirname "$file")/$target ]] || echo "$file: $target"
  done < <(relative_links "$1")
}

docs=$prefix/share/doc/zxctl
[[ $(relative_links "$docs" | wc -l) -ge 60 ]] || fail "found only these links: $(relative_links "$docs")"
dead=$(dead_links "$docs")
[[ -z $dead ]] || fail "these links of the installed documents are dead: $dead"
# It finds what it looks for.
mkdir -p "$scratch/links/api"
echo '[a](b.md#there) [b](../c.md) [c](https://example.org/d.md) [d](#here)' >"$scratch/links/api/a.md"
touch "$scratch/links/api/b.md"
[[ $(dead_links "$scratch/links") == "./api/a.md: ../c.md" ]] || fail "dead links: $(dead_links "$scratch/links")"

# The shared library is found by its SONAME, and brings nothing along but the C and C++ runtimes.
dynamic=$(readelf -dW "$prefix/lib/libzxtask.so")
grep -q 'SONAME.*\[libzxtask\.so\.0\]' <<<"$dynamic" || fail "its SONAME is another: $dynamic"
others=$(sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' <<<"$dynamic" | grep -vE '^(libc|libm|libstdc\+\+|libgcc_s|ld-linux-.*)\.so\.[0-9]+$' || true)
[[ -z $others ]] || fail "it needs $others"

"$docs/examples/library/run.sh" "$prefix"
"$docs/examples/tasks/run.sh" "$prefix"

# A project without C++ links the static library too, and one that needs a later version is told so.
mkdir "$scratch/c"
cd "$scratch/c"
cp "$root/examples/library/inbox.c" .
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(c_only LANGUAGES C)
find_package(zxtask 1000 CONFIG QUIET)
if(zxtask_FOUND)
  message(FATAL_ERROR "version 1000 was found")
endif()
find_package(zxtask CONFIG REQUIRED)
add_executable(inbox inbox.c)
target_link_libraries(inbox PRIVATE zxtask::zxtask_static)
END
cmake -B build -DCMAKE_PREFIX_PATH="$prefix" >cmake.log 2>&1 || fail "$(cat cmake.log)"
cmake --build build && build/inbox
