#include "info.h"

#include <fmt/format.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/complain.h"
#include "cli/print.h"
#include "vcpu/linux_kvm.h"

namespace zxctl {
namespace {

struct Capability {
  int number;
  const char* name;
  const char* meaning;
};

constexpr std::array kCapabilities = {
    Capability{KVM_CAP_NR_VCPUS, "vcpus", "VCPUs of a guest that KVM recommends"},
    Capability{KVM_CAP_MAX_VCPUS, "max_vcpus", "VCPUs of a guest that it allows"},
    Capability{KVM_CAP_NR_MEMSLOTS, "memory_slots", "pieces of memory of a guest"},
    Capability{KVM_CAP_SYNC_REGS, "sync_regs", "registers in shared memory: reading them is no system call"},
    Capability{KVM_CAP_IMMEDIATE_EXIT, "immediate_exit", "kicks without a race"},
    Capability{KVM_CAP_IOEVENTFD_ANY_LENGTH, "doorbells", "bells that do not leave the kernel"},
    Capability{KVM_CAP_READONLY_MEM, "read_only_memory", "memory that the guest cannot write"},
    Capability{KVM_CAP_X86_USER_SPACE_MSR, "user_space_msr", "the guest's local APIC as packets"},
    Capability{KVM_CAP_SET_GUEST_DEBUG, "guest_debug", "single steps and breakpoints in the guest"},
    Capability{KVM_CAP_NESTED_STATE, "nested", "guests that are hosts"},
};

}  // namespace

int GuestInfo(bool json) {
  nlohmann::json out;
  auto kvm = OpenKvm();
  out["guests"] = kvm.has_value();
  if (!kvm) {
    out["why"] = kvm.error().what;
    if (json) {
      Print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      Complain(kvm.error().ToString());
    }
    return EndOutput(1);
  }
  if (!json) Print("guests can be had here\n\n");
  for (const Capability& each : kCapabilities) {
    const int value = (*kvm)->Extension(each.number);
    out["capabilities"][each.name] = value;
    if (!json)
      Print("  {:<18} {:>6}  {}\n", each.name,
            value == 0   ? "no"
            : value == 1 ? "yes"
                         : std::to_string(value),
            each.meaning);
  }
  if (json) Print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  return EndOutput(0);
}

}  // namespace zxctl
