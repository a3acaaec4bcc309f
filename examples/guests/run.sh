#!/usr/bin/env bash
# Builds the guests and runs them: hello, two and user by `zxctl guest run`, vmm by itself.
# usage: run.sh ZXCTL VMM [DIRECTORY]; status 77 where there are no guests.
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
zxctl=$1 vmm=$2
work=${3:-$(mktemp -d)}
[[ -n ${3:-} ]] || trap 'rm -rf "$work"' EXIT
if ! why=$("$zxctl" guest info 2>&1 >/dev/null); then
  echo "$why"
  # A machine of continuous integration that has /dev/kvm is expected to have guests.
  [[ -z ${CI:-} || ! -w /dev/kvm ]] || exit 1
  exit 77
fi

# A kernel's code: no library, no registers but the general ones.
build() {
  "${CC:-cc}" -O1 -Wall -ffreestanding -nostdlib -static -no-pie -mgeneral-regs-only -mno-red-zone -fno-stack-protector \
    -fcf-protection=none -Wl,-Ttext-segment=0x100000,-n,--build-id=none,--no-warn-rwx-segments -o "$work/$1" "$here/$1.c"
}
expect() {
  local status=0 wanted=$1 text=$2 output
  shift 2
  output=$("$@" 2>"$work/errors") || status=$?
  if [[ $status -ne $wanted || $output != "$text" ]]; then
    printf '%s\nstatus %d, not %d; it printed: %s\n' "$*" "$status" "$wanted" "$output"
    cat "$work/errors"
    exit 1
  fi
  printf '%s\n' "$output"
}

for guest in hello two user; do build "$guest"; done
expect 3 'what is your name? hello, Ada' "$zxctl" guest run --timeout 60s "$work/hello" <<<Ada
expect 1 'the second VCPU has counted to 1000' "$zxctl" guest run --timeout 60s --vcpus 2 "$work/two"
expect 1 '' "$zxctl" guest run --timeout 60s --trap bell:0x40000000 --trace=text "$work/user"
grep -q 'bell 0x40000000' "$work/errors"
expect 0 $'hello from a guest\nit has read 42\nit has rung at 0x101000' "$vmm"
