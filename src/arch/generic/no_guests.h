// A machine without guests: what src/vcpu is compiled with there. The contract of each name is in x86_64/guest_cpu.h; nothing of
// it is ever reached, because MissingForGuests() refuses.
#pragma once

#include <zircon/syscalls/hypervisor.h>
#include <zircon/syscalls/port.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "arch/guest_bytes.h"
#include "arch/interrupt_set.h"
#include "arch/kvm.h"
#include "base/status.h"

namespace zxctl::arch {

inline constexpr bool kHasGuests = false;
inline constexpr bool kHasIoPorts = false;
inline constexpr uint32_t kMaxVcpus = 8;
inline constexpr uint64_t kGuestPhysicalBytes = uint64_t{1} << 36;
inline constexpr uint64_t kIoPorts = 0;
inline constexpr bool kVcpusComeFirst = false;
inline constexpr bool kStoresAreBehind = false;
inline constexpr std::string_view kPcName = "pc";
inline constexpr std::string_view kHowToHaveKvm = "this machine has no guests";

[[nodiscard]] inline std::string MissingForGuests(Kvm& /*kvm*/) { return "support by this program"; }
[[nodiscard]] inline unsigned long VmType(Kvm& /*kvm*/) { return 0; }

class GuestBoard {
 public:
  using Pause = std::function<void(const std::function<void()>& change)>;
  GuestBoard(KvmVm& /*vm*/, const Pause& /*pause*/) {}
  [[nodiscard]] Result<void> Prepare(std::span<KvmVcpu* const> /*vcpus*/) { return {}; }
};

struct MachineExit {
  enum class Kind : uint8_t { kRunAgain, kPacket, kRaiseSelf, kFail };
  Kind kind = Kind::kFail;
  zx_status_t status = ZX_ERR_NOT_SUPPORTED;
  zx_packet_guest_vcpu_t packet = {};
  uint32_t vector = 0;
  std::string_view why;
};

struct GuestSnapshot {
  uint64_t pc = 0;
  void Tell(zxl_vcpu_exit_info_t* /*out*/) const {}
};

class GuestCpu {
 public:
  GuestCpu(GuestBoard& /*board*/, KvmVcpu& /*kvm*/, uint32_t /*index*/) {}

  [[nodiscard]] Result<void> Begin(Kvm& /*kvm*/, uint64_t /*entry*/, bool /*has_begun*/) {
    return Fail(Status{.zx = ZX_ERR_NOT_SUPPORTED, .what = "there are no guests on this machine"});
  }
  void ReadState(zx_vcpu_state_t* out) const { *out = {}; }
  void WriteState(const zx_vcpu_state_t& /*state*/) {}
  bool WriteIo(const zx_vcpu_io_t& /*io*/) { return false; }
  [[nodiscard]] GuestSnapshot LastSnapshot() const { return {}; }
  [[nodiscard]] uint64_t LastPc() const { return 0; }
  [[nodiscard]] bool LastIsOlder() const { return false; }
  enum class Before : uint8_t { kEnter, kFinish };
  [[nodiscard]] Before Prepare() { return Before::kEnter; }
  void OnFinished() {}
  [[nodiscard]] bool OnUnfinished() { return false; }
  [[nodiscard]] zx_status_t Offer(InterruptSet& /*interrupts*/) { return ZX_ERR_NOT_SUPPORTED; }
  void OnEntering() {}
  void OnExit() {}
  zx_status_t FillMemoryPacket(GuestBytes& /*memory*/, zx_packet_guest_mem_t* /*out*/) { return ZX_ERR_NOT_SUPPORTED; }
  zx_status_t FillIoPacket(GuestBytes& /*memory*/, zx_packet_guest_io_t* /*out*/) { return ZX_ERR_NOT_SUPPORTED; }
  [[nodiscard]] MachineExit OnMachineExit() { return {}; }
};

}  // namespace zxctl::arch
