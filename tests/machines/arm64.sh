# arm64: what `run` beside this file has to know of it. QEMU's widest processor, but for pointer authentication in a cheap form:
# the real one takes most of the time under emulation.
# shellcheck shell=bash disable=SC2034  # `run` uses all of these
triplet=aarch64-linux-gnu
suite=bookworm
compiler=g++-12-aarch64-linux-gnu
library=shared
kernel=linux-image-cloud-arm64
folders='unit;component;live;kvm'
processors=2
console=ttyAMA0
emulator=(qemu-system-aarch64 -M 'virt,gic-version=3,virtualization=on' -cpu 'max,pauth-impdef=on')
