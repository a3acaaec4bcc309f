#!/usr/bin/env bash
# compile_headers.sh ROOT CC CXX: every public header, alone, as C11 and as C++17 (zx.h: C++17 and C++20), without a warning;
# the layout in both; and a name of 2017 for each call that was there then.
set -uo pipefail
root=$1 cc=$2 cxx=$3
failed=0 checked=0

# compile LABEL COMPILER FLAGS…: the text on standard input has to compile.
compile() {
  local label=$1
  shift
  checked=$((checked + 1))
  if ! "$@" -Wall -Wextra -Werror -pedantic -I "$root/include" -I "$root/src" -fsyntax-only -; then
    printf 'does not compile: %s\n' "$label"
    failed=$((failed + 1))
  fi
}

while read -r header; do
  # Twice: a header without a guard shows.
  text=$(printf '#include <%s>\n#include <%s>\nextern int nothing;\n' "$header" "$header")
  if [[ $header == zxtask/zx.h ]]; then
    compile "$header as C++20" "$cxx" -std=c++20 -x c++ <<<"$text"
  else
    compile "$header as C11" "$cc" -std=c11 -x c <<<"$text"
  fi
  compile "$header as C++17" "$cxx" -std=c++17 -x c++ <<<"$text"
done < <(cd "$root/include" && find . -name '*.h' | sed 's|^\./||' | sort)
compile "the layout as C11" "$cc" -std=c11 -x c <<<'#include <syscalls/layout.h>'
compile "the layout as C++17" "$cxx" -std=c++17 -x c++ <<<'#include <syscalls/layout.h>'

# What came later, or had other arguments then (memory objects and guests).
later='(guest|vcpu|vmo|vmar)_[a-z_]+|clock_get_monotonic|handle_close_many|task_suspend_token|task_resume_from_exception|thread_start_regs'
calls=$(cat "$root"/include/zircon/{syscalls,status}.h | sed 's|//.*||' | grep -oP '\bzx_\K[a-z0-9_]+(?=\()' | grep -vxE "$later")
[[ $(wc -l <<<"$calls") -ge 20 ]] || { echo "found only these calls: $calls" && exit 1; }
for call in $calls; do
  compile "mx_$call as C11" "$cc" -std=c11 -x c <<<"#include <magenta/syscalls.h>
extern char name[sizeof(&mx_$call)];"
done

printf '%d compiled, %d failed\n' "$checked" "$failed"
[[ $checked -ge 18 && $failed -eq 0 ]]
