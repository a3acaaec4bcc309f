// A VCPU of this machine. The contract of each name that the rooms above use is in x86_64/guest_cpu.h.
//
// KVM shows a register by a system call each (guest_registers.h), and delivers interrupts through a controller of its own
// (guest_board.h). Of an access to trapped memory it tells the address and the bytes: which register it was is decoded.
//
// Where KVM waits for what a load reads, Zircon has the instruction behind it already, with its target untouched. What the target
// holds when the guest is resumed is therefore given to KVM as what was read, if the load leaves exactly that; else KVM is let finish
// it with zeros, without entering the guest, and the target is set behind it.
//
// Of the VCPU's own thread, but for what says otherwise.
#pragma once

#include <zircon/syscalls/hypervisor.h>
#include <zircon/syscalls/port.h>
#include <zircon/types.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "arch/guest_bytes.h"
#include "arch/interrupt_set.h"
#include "arch/kvm.h"
#include "base/status.h"
#include "guest_board.h"
#include "guest_instruction.h"
#include "guest_paging.h"
#include "guest_registers.h"

namespace zxctl::arch {

inline constexpr bool kHasGuests = true;
inline constexpr bool kHasIoPorts = false;
inline constexpr uint64_t kGuestPhysicalBytes = uint64_t{1} << 36;
inline constexpr uint64_t kIoPorts = 0;
inline constexpr bool kVcpusComeFirst = true;
inline constexpr bool kStoresAreBehind = false;
inline constexpr std::string_view kPcName = "pc";
inline constexpr std::string_view kHowToHaveKvm = "boot a kernel that has KVM built in, at EL2";

[[nodiscard]] std::string MissingForGuests(Kvm& kvm);
[[nodiscard]] unsigned long VmType(Kvm& kvm);

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
  uint64_t esr = 0;
  uint64_t far = 0;
  uint64_t elr = 0;
  uint64_t vbar = 0;
  PagingState paging;
  zx_vcpu_state_t state = {};

  void Tell(zxl_vcpu_exit_info_t* out) const;
};

class GuestCpu {
 public:
  GuestCpu(GuestBoard& board, KvmVcpu& kvm, uint32_t index) : board_(board), kvm_(kvm), index_(index) {}

  [[nodiscard]] Result<void> Begin(Kvm& kvm, uint64_t entry, bool has_begun);

  // ---- what is seen of it ----
  void ReadState(zx_vcpu_state_t* out) const;
  void WriteState(const zx_vcpu_state_t& state);
  bool WriteIo(const zx_vcpu_io_t& /*io*/) { return false; }
  // Asks KVM: it has what the guest has left.
  [[nodiscard]] GuestSnapshot LastSnapshot() const;
  [[nodiscard]] uint64_t LastPc() const { return LastSnapshot().pc; }
  [[nodiscard]] bool LastIsOlder() const { return false; }

  // ---- before KVM_RUN ----
  enum class Before : uint8_t { kEnter, kFinish };
  [[nodiscard]] Before Prepare();
  void OnFinished();
  [[nodiscard]] bool OnUnfinished() { return false; }
  [[nodiscard]] zx_status_t Offer(InterruptSet& interrupts);
  void OnEntering() {
    registers_.Forget();
    load_.reset();
  }

  // ---- after an exit ----
  void OnExit() {}
  // IO_DATA_INTEGRITY where the instruction cannot be found.
  [[nodiscard]] zx_status_t FillMemoryPacket(GuestBytes& memory, zx_packet_guest_mem_t* out);
  [[nodiscard]] zx_status_t FillIoPacket(GuestBytes& /*memory*/, zx_packet_guest_io_t* /*out*/) {
    return ZX_ERR_NOT_SUPPORTED;
  }
  [[nodiscard]] MachineExit OnMachineExit();

 private:
  [[nodiscard]] uint64_t ValueOf(uint8_t target) const;
  [[nodiscard]] PagingState PagingAt(uint64_t pc) const;
  // The instruction that KVM tells the access of.
  [[nodiscard]] std::optional<LoadStore> FindAccess(GuestBytes& memory) const;
  [[nodiscard]] bool IsBigEndian(uint64_t sctlr) const;

  GuestBoard& board_;
  KvmVcpu& kvm_;
  const uint32_t index_;
  GuestRegisters registers_{kvm_};
  // That KVM waits for, and whether the guest has its bytes in the other order.
  std::optional<LoadStore> load_;
  bool load_is_swapped_ = false;
  // While it is being finished: what its target gets.
  uint64_t wanted_ = 0;
};

}  // namespace zxctl::arch
