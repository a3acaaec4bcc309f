// The registers of a VCPU. KVM shows each by a system call of its own: they are read when somebody asks, and what was changed is
// written before the guest goes on.
//
// Of the VCPU's own thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "arch/kvm.h"

namespace zxctl::arch {

class GuestRegisters {
 public:
  static constexpr size_t kX0 = 0;  // to x30
  static constexpr size_t kGprs = 31;
  static constexpr size_t kSp = 31;  // EL1's
  static constexpr size_t kPstate = 32;
  static constexpr size_t kPc = 33;
  static constexpr size_t kCount = 34;

  explicit GuestRegisters(KvmVcpu& kvm) : kvm_(kvm) {}

  [[nodiscard]] uint64_t Get(size_t which) const;
  void Set(size_t which, uint64_t value);
  // Of EL1, by their encoding: never kept.
  [[nodiscard]] uint64_t GetSystem(uint64_t id) const;

  // KVM gets what was changed. 0, or an errno.
  [[nodiscard]] int Flush() { return changed_ == 0 ? 0 : FlushChanged(); }
  // The guest has gone on.
  void Forget() { known_ = changed_ = 0; }

 private:
  [[nodiscard]] int FlushChanged();

  KvmVcpu& kvm_;
  mutable std::array<uint64_t, kCount> values_ = {};
  mutable uint64_t known_ = 0;  // a bit for each
  uint64_t changed_ = 0;
};

}  // namespace zxctl::arch
