// What a guest has besides memory and VCPUs: KVM's interrupt controller, a GICv3, without which KVM delivers nothing.
//
// Zircon's guests have none: a vector that is raised comes in through the processor's own interface (the ICC registers), and that is
// open. So this one stands behind the end of the guest's memory, where nobody looks, and is set so that all interrupts get through
// before the guest begins: group 1, enabled, of one priority, those from 32 on edge-triggered.
//
// Any thread, but for what says otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "arch/interrupt_set.h"
#include "arch/kvm.h"
#include "base/status.h"

namespace zxctl::arch {

inline constexpr uint32_t kMaxVcpus = 8;

class GuestBoard {
 public:
  // Runs a change while no VCPU of the guest is in KVM_RUN.
  using Pause = std::function<void(const std::function<void()>& change)>;
  GuestBoard(KvmVm& vm, Pause pause) : vm_(vm), pause_(std::move(pause)) {}

  // For a new guest; `vcpus` are all that it can have, by their numbers. NOT_SUPPORTED; NO_RESOURCES; NO_MEMORY.
  [[nodiscard]] Result<void> Prepare(std::span<KvmVcpu* const> vcpus);

  // ---- of the VCPU's own thread; 0 or an errno ----
  // Registers as at first.
  [[nodiscard]] int Reset(KvmVcpu& vcpu);
  // What a VCPU with this number has left in the controller is gone.
  [[nodiscard]] int ForgetInterrupts(uint32_t index);
  // Gives KVM all that are raised, the lowest first.
  [[nodiscard]] int Raise(uint32_t index, InterruptSet& interrupts);

 private:
  [[nodiscard]] Result<void> MakeController();
  [[nodiscard]] int OpenDistributor();
  [[nodiscard]] int OpenInterface(uint32_t index);
  [[nodiscard]] int ForgetShared(uint32_t index);
  [[nodiscard]] int RaisePrivate(uint32_t index, uint32_t vectors);
  [[nodiscard]] int RaiseShared(uint32_t index, uint32_t vector);
  [[nodiscard]] int Route(uint32_t index, uint32_t vector);
  // Does `change` while no VCPU is anywhere in KVM; from its beginning as long as it gives EBUSY.
  [[nodiscard]] int WhileQuiet(const std::function<int()>& change);

  KvmVm& vm_;
  const Pause pause_;
  kvm_vcpu_init first_ = {};
  std::unique_ptr<KvmDevice> controller_;
  std::mutex lock_;
  // Which VCPU a vector goes to.
  std::array<uint8_t, InterruptSet::kVectors> routes_ = {};  // lock_
};

}  // namespace zxctl::arch
