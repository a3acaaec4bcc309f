#include "guest_registers.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t Core(size_t offset) {
  return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | offset / sizeof(uint32_t);
}

constexpr uint64_t IdOf(size_t which) {
  switch (which) {
    case GuestRegisters::kSp:
      return Core(offsetof(kvm_regs, sp_el1));
    case GuestRegisters::kPstate:
      return Core(offsetof(kvm_regs, regs.pstate));
    case GuestRegisters::kPc:
      return Core(offsetof(kvm_regs, regs.pc));
    default:
      return Core(offsetof(kvm_regs, regs.regs) + which * sizeof(uint64_t));
  }
}

constexpr uint64_t BitOf(size_t which) { return uint64_t{1} << which; }

}  // namespace

uint64_t GuestRegisters::Get(size_t which) const {
  if ((known_ & BitOf(which)) == 0) {
    values_[which] = GetSystem(IdOf(which));
    known_ |= BitOf(which);
  }
  return values_[which];
}

uint64_t GuestRegisters::GetSystem(uint64_t id) const {
  uint64_t value = 0;
  kvm_one_reg one = {.id = id, .addr = reinterpret_cast<uintptr_t>(&value)};
  // A VCPU that has begun has all of them.
  static_cast<void>(kvm_.Control(KVM_GET_ONE_REG, &one));
  return value;
}

void GuestRegisters::Set(size_t which, uint64_t value) {
  if ((known_ & BitOf(which)) != 0 && values_[which] == value) return;
  values_[which] = value;
  known_ |= BitOf(which);
  changed_ |= BitOf(which);
}

int GuestRegisters::FlushChanged() {
  for (size_t which = 0; which < kCount; ++which) {
    if ((changed_ & BitOf(which)) == 0) continue;
    kvm_one_reg one = {.id = IdOf(which), .addr = reinterpret_cast<uintptr_t>(&values_[which])};
    if (const int error = kvm_.Control(KVM_SET_ONE_REG, &one); error != 0) return error;
    changed_ &= ~BitOf(which);
  }
  return 0;
}

}  // namespace zxctl::arch
