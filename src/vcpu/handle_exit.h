// What an exit of KVM's means for a guest. Pure: fed with what KVM has left in its page, and with what the guest has where.
#pragma once

#include <linux/kvm.h>
#include <zircon/types.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "arch/guest.h"

namespace zxctl {

struct Trap;

// What there is at an address.
struct GuestPlace {
  const Trap* trap = nullptr;
  bool mapped = false;
  bool writable = false;
};

class GuestView {
 public:
  virtual ~GuestView() = default;
  [[nodiscard]] virtual GuestPlace AtMemory(uint64_t address) const = 0;
  [[nodiscard]] virtual const Trap* AtPort(uint16_t port) const = 0;
};

struct ExitAction {
  enum class Kind : uint8_t {
    kRunAgain,
    kHalt,     // until an interrupt
    kMemory,   // a packet for an access to memory
    kPort,     // a packet for an access to an I/O port
    kBell,     // the trap's bell is to be rung
    kPerform,  // the access is to memory that is there: KVM has found it being changed
    kMachine,  // what only this machine has
    kFail,     // `status`
  };
  Kind kind = Kind::kFail;
  zx_status_t status = ZX_OK;
  const Trap* trap = nullptr;
  std::string_view why;  // of kFail, for people
  // Of kFail: the exit has not been dealt with, and can be once something has been changed.
  bool stays = false;
};

// What an exit of MMIO or an I/O port was about.
struct GuestAccess {
  uint32_t kind = ZXL_VCPU_ACCESS_NONE;
  uint64_t address = 0;
  uint32_t bytes = 0;  // 0: KVM does not say

  // KVM has let the guest go on already. Of OUT it does so only where it carries the instruction out itself.
  [[nodiscard]] bool is_behind() const { return arch::kStoresAreBehind && kind == ZXL_VCPU_ACCESS_STORE; }
  // "a store of 4 bytes to 0x1000"
  [[nodiscard]] std::string ToString() const;
};

[[nodiscard]] GuestAccess AccessOf(const kvm_run& page);

// After KVM_RUN has come back without an error.
[[nodiscard]] ExitAction HandleExit(const kvm_run& page, const GuestView& guest);
// After it has come back with one, other than EINTR and EAGAIN.
[[nodiscard]] ExitAction HandleRunError(int error);

}  // namespace zxctl
