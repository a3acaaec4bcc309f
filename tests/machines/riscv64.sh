# riscv64: what `run` beside this file has to know of it. Debian has it from its release 13 on.
# shellcheck shell=bash disable=SC2034  # `run` uses all of these
triplet=riscv64-linux-gnu
suite=trixie
compiler=g++-14-riscv64-linux-gnu
library=own
kernel=linux-image-riscv64
# With two and a clock that counts instructions, QEMU 7.2 never shows a line of the kernel.
counted_processors=1
processors=2
console=ttyS0
emulator=(qemu-system-riscv64 -M virt -cpu 'rv64,v=true,vlen=128,vext_spec=v1.0')
