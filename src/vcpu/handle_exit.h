// What an exit of KVM's means for a guest. Pure: fed with what KVM has left in its page, and with what the guest has where.
#pragma once

#include <linux/kvm.h>
#include <zircon/types.h>

#include <cstdint>
#include <string_view>

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

// After KVM_RUN has come back without an error.
[[nodiscard]] ExitAction HandleExit(const kvm_run& page, const GuestView& guest);
// After it has come back with one, other than EINTR and EAGAIN.
[[nodiscard]] ExitAction HandleRunError(int error);

}  // namespace zxctl
