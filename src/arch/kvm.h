// What is used of KVM: an interface, so that everything above is tested without it.
//
// src/vcpu has the one that makes the system calls. Calls give 0 or an errno.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <memory>

namespace zxctl {

// One VCPU. Of one thread at a time: KVM does not refuse a second one, it blocks it.
class KvmVcpu {
 public:
  virtual ~KvmVcpu() = default;

  // The page that KVM shares with its user.
  [[nodiscard]] virtual kvm_run& page() = 0;
  // KVM_RUN: until an exit, a signal (EINTR), or at once with page().immediate_exit (EINTR).
  [[nodiscard]] virtual int Run() = 0;
  // Any other request; `argument` is null for those without one.
  [[nodiscard]] virtual int Control(unsigned long request, void* argument) = 0;
};

// A device of KVM's, as an interrupt controller is one: values by group and number. Any thread.
class KvmDevice {
 public:
  virtual ~KvmDevice() = default;

  // What `value` points to is as large as the attribute.
  [[nodiscard]] virtual int Set(uint32_t group, uint64_t attribute, const void* value) = 0;
  [[nodiscard]] virtual int Get(uint32_t group, uint64_t attribute, void* value) = 0;
};

// Any thread.
class KvmVm {
 public:
  virtual ~KvmVm() = default;

  // EEXIST for an id that there is.
  [[nodiscard]] virtual int CreateVcpu(uint32_t id, std::unique_ptr<KvmVcpu>* out) = 0;
  // Makes, changes, or with size 0 removes a slot of memory.
  [[nodiscard]] virtual int SetMemory(const kvm_userspace_memory_region& slot) = 0;
  // Writes to an address are counted in an eventfd, or with KVM_IOEVENTFD_FLAG_DEASSIGN no longer.
  [[nodiscard]] virtual int SetDoorbell(const kvm_ioeventfd& doorbell) = 0;
  // KVM_DEV_TYPE_*. ENODEV for what KVM has not got here.
  [[nodiscard]] virtual int CreateDevice(uint32_t type, std::unique_ptr<KvmDevice>* out) = 0;
  [[nodiscard]] virtual int Control(unsigned long request, void* argument) = 0;
};

// Any thread.
class Kvm {
 public:
  virtual ~Kvm() = default;

  // KVM_CHECK_EXTENSION: 0 if it has not got it, else what it says.
  [[nodiscard]] virtual int Extension(int capability) = 0;
  [[nodiscard]] virtual int CreateVm(std::unique_ptr<KvmVm>* out) = 0;
  [[nodiscard]] virtual int Control(unsigned long request, void* argument) = 0;
};

}  // namespace zxctl
