#include "vcpu/handle_exit.h"

#include <fmt/format.h>

#include <cerrno>

#include "arch/guest.h"
#include "vcpu/traps.h"

namespace zxctl {
namespace {

using Kind = ExitAction::Kind;

// An access to memory that nothing is behind, or that may not be written.
ExitAction Refused(const GuestPlace& place, uint64_t address) {
  if (place.mapped) {
    return {.status = ZX_ERR_ACCESS_DENIED,
            .why = "the guest wrote to memory that is mapped for reading only",
            .stays = true};
  }
  if (address >= arch::kGuestPhysicalBytes) {
    return {.status = ZX_ERR_OUT_OF_RANGE,
            .why = "the guest touched an address behind the end of its memory",
            .stays = true};
  }
  return {.status = ZX_ERR_NOT_FOUND,
          .why = "the guest touched an address where nothing is mapped and no trap is set",
          .stays = true};
}

ExitAction HandleMemory(const kvm_run& page, const GuestView& guest) {
  const uint64_t address = page.mmio.phys_addr;
  const bool write = page.mmio.is_write != 0;
  const GuestPlace place = guest.AtMemory(address);
  if (place.trap != nullptr && place.trap->kind == ZX_GUEST_TRAP_MEM)
    return {.kind = Kind::kMemory, .trap = place.trap};
  if (place.trap != nullptr) {
    if (write) return {.kind = Kind::kBell, .trap = place.trap};
    return {.status = ZX_ERR_NOT_SUPPORTED, .why = "the guest read from a bell, which can only be written"};
  }
  if (place.mapped && (!write || place.writable)) return {.kind = Kind::kPerform};
  return Refused(place, address);
}

// Only some machines have it: an instruction that moves more than one register, or does more than that. The guest is still
// before it: what is mended is tried again.
ExitAction HandleUndescribed(const kvm_run& page, const GuestView& guest) {
  const GuestAccess access = AccessOf(page);
  const GuestPlace place = guest.AtMemory(access.address);
  if (place.trap != nullptr) {
    return {.status = ZX_ERR_IO_DATA_INTEGRITY,
            .why =
                "the guest touched a trap with an instruction that the processor does not describe (of a pair, of a "
                "vector, an atomic one, or one that changes its base register): let it use a plain load or store "
                "of one register"};
  }
  const bool write = access.kind == ZXL_VCPU_ACCESS_STORE;
  if (place.mapped && (!write || place.writable)) return {.kind = Kind::kRunAgain};
  ExitAction refused = Refused(place, access.address);
  refused.stays = false;
  return refused;
}

ExitAction HandlePort(const kvm_run& page, const GuestView& guest) {
  const Trap* trap = guest.AtPort(page.io.port);
  if (trap != nullptr) return {.kind = Kind::kPort, .trap = trap};
  return {.status = ZX_ERR_NOT_FOUND, .why = "the guest used an I/O port where no trap is set", .stays = true};
}

}  // namespace

ExitAction HandleExit(const kvm_run& page, const GuestView& guest) {
  switch (page.exit_reason) {
    case KVM_EXIT_MMIO:
      return HandleMemory(page, guest);
    case KVM_EXIT_ARM_NISV:
      return HandleUndescribed(page, guest);
    case KVM_EXIT_IO:
      return HandlePort(page, guest);
    case KVM_EXIT_HLT:
      return {.kind = Kind::kHalt};
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_INTR:
    case KVM_EXIT_SET_TPR:  // the guest has lowered cr8, of which nothing depends
      return {.kind = Kind::kRunAgain};
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
    case KVM_EXIT_HYPERCALL:
      return {.kind = Kind::kMachine};
    case KVM_EXIT_SHUTDOWN:
      return {.status = ZX_ERR_NOT_SUPPORTED,
              .why = "the guest has shut down: an exception, its double fault, and a third (a triple fault)"};
    case KVM_EXIT_INTERNAL_ERROR:
      return {.status = ZX_ERR_INTERNAL,
              .why = page.internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                         ? "KVM cannot carry out an instruction of the guest's"
                         : "KVM has met an error of its own"};
    case KVM_EXIT_FAIL_ENTRY:
      return {.status = ZX_ERR_INTERNAL, .why = "the processor refused to enter the guest"};
    case KVM_EXIT_SYSTEM_EVENT:
      return {.status = ZX_ERR_NOT_SUPPORTED, .why = "the guest asked for a shutdown or a reset"};
    default:
      return {.status = ZX_ERR_NOT_SUPPORTED, .why = "the guest did something that has no meaning here"};
  }
}

GuestAccess AccessOf(const kvm_run& page) {
  if (page.exit_reason == KVM_EXIT_MMIO) {
    return {.kind = page.mmio.is_write != 0 ? ZXL_VCPU_ACCESS_STORE : ZXL_VCPU_ACCESS_LOAD,
            .address = page.mmio.phys_addr,
            .bytes = page.mmio.len};
  }
  if (page.exit_reason == KVM_EXIT_ARM_NISV) {
    constexpr uint64_t kWrites = 1U << 6;
    return {.kind = (page.arm_nisv.esr_iss & kWrites) != 0 ? ZXL_VCPU_ACCESS_STORE : ZXL_VCPU_ACCESS_LOAD,
            .address = page.arm_nisv.fault_ipa};
  }
  if (page.exit_reason != KVM_EXIT_IO) return {};
  return {.kind = page.io.direction == KVM_EXIT_IO_OUT ? ZXL_VCPU_ACCESS_OUT : ZXL_VCPU_ACCESS_IN,
          .address = page.io.port,
          .bytes = page.io.size};
}

std::string GuestAccess::ToString() const {
  const std::string amount = bytes == 0 ? "some bytes" : fmt::format("{} byte{}", bytes, bytes == 1 ? "" : "s");
  switch (kind) {
    case ZXL_VCPU_ACCESS_LOAD:
      return fmt::format("a load of {} from {:#x}", amount, address);
    case ZXL_VCPU_ACCESS_STORE:
      return fmt::format("a store of {} to {:#x}", amount, address);
    case ZXL_VCPU_ACCESS_IN:
      return fmt::format("IN of {} from port {:#x}", amount, address);
    default:
      return fmt::format("OUT of {} to port {:#x}", amount, address);
  }
}

ExitAction HandleRunError(int error) {
  switch (error) {
    case EINVAL:
      return {.status = ZX_ERR_BAD_STATE, .why = "KVM refuses the registers that the VCPU has"};
    case EIO:
      return {.status = ZX_ERR_BAD_STATE, .why = "this process was forked from the one that has the guest"};
    case EFAULT:
      return {.status = ZX_ERR_INTERNAL, .why = "the host has no memory behind an address of the guest's"};
    default:
      return {.status = ZX_ERR_INTERNAL, .why = "KVM_RUN failed"};
  }
}

}  // namespace zxctl
