# amd64: what `run` beside this file has to know of it. The compiler is this computer's own; what is another is the kernel, as Debian
# ships it, and its KVM, on a processor with SVM.
# shellcheck shell=bash disable=SC2034  # `run` uses all of these
triplet=x86_64-linux-gnu
suite=bookworm
compiler=
kernel=linux-image-cloud-amd64
modules=(kvm_amd)
folders='unit;component;live;kvm'
processors=2
console=ttyS0
# Counted instructions do not get on with a guest's guest.
clock=()
emulator=(qemu-system-x86_64 -M q35 -cpu 'EPYC,+svm')
