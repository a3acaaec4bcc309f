// A VCPU of this machine: how it begins, what is seen of it, what KVM has to be told so that it behaves as Zircon's do.
//
// KVM keeps the registers in the page that it shares (KVM_CAP_SYNC_REGS): reading and writing them is no system call.
//
// Where KVM waits for what an instruction reads, Zircon has the instruction behind it already, with its target untouched.
// What the target holds when the guest is resumed is therefore given to KVM as what was read, if the instruction can be made
// to leave exactly that; else KVM is let finish the instruction with zeros, without entering the guest, and the registers are
// put back (docs/KERNEL_QUIRKS).
//
// Of the VCPU's own thread, but for what says otherwise.
#pragma once

#include <zircon/syscalls/hypervisor.h>
#include <zircon/syscalls/port.h>
#include <zircon/types.h>
#include <zxtask/linux.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "arch/guest_bytes.h"
#include "arch/interrupt_set.h"
#include "arch/kvm.h"
#include "base/status.h"
#include "guest_instruction.h"
#include "guest_paging.h"
#include "guest_stores.h"

namespace zxctl::arch {

inline constexpr bool kHasGuests = true;
inline constexpr bool kHasIoPorts = true;
inline constexpr uint32_t kMaxVcpus = 64;
inline constexpr uint64_t kGuestPhysicalBytes = uint64_t{1} << 48;
// One more than the last port that a trap may end at.
inline constexpr uint64_t kIoPorts = 0xffff;
// KVM wants all VCPUs that a guest can have before it is told anything else of it.
inline constexpr bool kVcpusComeFirst = false;
// When KVM tells of a store, the instruction pointer is behind it.
inline constexpr bool kStoresAreBehind = true;
inline constexpr std::string_view kPcName = "rip";
// What mends it that there is no /dev/kvm.
inline constexpr std::string_view kHowToHaveKvm =
    "load kvm and kvm_intel or kvm_amd, switch virtualization on in the firmware";

// Why guests cannot be had of this KVM; empty if they can.
[[nodiscard]] std::string MissingForGuests(Kvm& kvm);
// What KVM_CREATE_VM is told.
[[nodiscard]] inline unsigned long VmType(Kvm& /*kvm*/) { return 0; }

// What a guest has besides memory and VCPUs. Any thread.
class GuestBoard {
 public:
  // Runs a change while no VCPU of the guest is in KVM_RUN.
  using Pause = std::function<void(const std::function<void()>& change)>;
  GuestBoard(KvmVm& vm, const Pause& /*pause*/) : vm_(vm) {}

  // For a new guest; `vcpus` are all that it can have, where kVcpusComeFirst. NOT_SUPPORTED; NO_RESOURCES; NO_MEMORY.
  [[nodiscard]] Result<void> Prepare(std::span<KvmVcpu* const> vcpus);

 private:
  KvmVm& vm_;
};

// What an exit means that only this machine has.
struct MachineExit {
  enum class Kind : uint8_t {
    kRunAgain,
    kPacket,
    kRaiseSelf,  // `vector`, on this VCPU
    kFail,
  };
  Kind kind = Kind::kFail;
  zx_status_t status = ZX_ERR_NOT_SUPPORTED;
  zx_packet_guest_vcpu_t packet = {};
  uint32_t vector = 0;
  std::string_view why;
};

// What people look at when a guest is dead.
struct GuestSnapshot {
  uint64_t pc = 0;
  uint64_t fault_address = 0;  // cr2
  PagingState paging;
  uint64_t code_base = 0;
  uint32_t code_bits = 64;
  zx_vcpu_state_t state = {};

  // Its registers, for zxl_vcpu_get_exit_info().
  void Tell(zxl_vcpu_exit_info_t* out) const;
};

class GuestCpu {
 public:
  // `index` 0 is the one that the guest begins with.
  GuestCpu(GuestBoard& /*board*/, KvmVcpu& kvm, uint32_t index) : kvm_(kvm), page_(kvm.page()), index_(index) {}

  // Before all else. `has_begun`: KVM has had it as another VCPU before. NO_MEMORY; NO_RESOURCES.
  [[nodiscard]] Result<void> Begin(Kvm& kvm, uint64_t entry, bool has_begun);

  // ---- what is seen of it ----
  void ReadState(zx_vcpu_state_t* out) const;
  void WriteState(const zx_vcpu_state_t& state);
  // False for a size that there is not.
  bool WriteIo(const zx_vcpu_io_t& io);
  // As it was at its last exit. Any thread may keep a copy.
  [[nodiscard]] GuestSnapshot LastSnapshot() const;
  [[nodiscard]] uint64_t LastPc() const { return last_.regs.rip; }
  // Nothing is known of it after its last exit but one.
  [[nodiscard]] bool LastIsOlder() const { return last_is_older_; }

  // ---- before KVM_RUN ----
  enum class Before : uint8_t {
    kEnter,
    kFinish,  // with immediate_exit, until EINTR, which OnFinished() is told; other exits go to OnUnfinished()
  };
  [[nodiscard]] Before Prepare();
  void OnFinished();
  // Of the instruction that is being finished: true, unless it is something else.
  [[nodiscard]] bool OnUnfinished();

  // Gives KVM the next interrupt that the guest can take, or asks to be told when it can. NOT_SUPPORTED for a vector that no
  // machine has.
  [[nodiscard]] zx_status_t Offer(InterruptSet& interrupts);
  // KVM_RUN comes now, with what Prepare() has left in the page.
  void OnEntering() { pending_ = {}; }

  // ---- after an exit ----
  void OnExit();
  // Packets of an access that is trapped. NOT_SUPPORTED for what has no packet; IO_DATA_INTEGRITY where the instruction cannot
  // be found.
  zx_status_t FillMemoryPacket(GuestBytes& memory, zx_packet_guest_mem_t* out);
  zx_status_t FillIoPacket(GuestBytes& memory, zx_packet_guest_io_t* out);
  [[nodiscard]] MachineExit OnMachineExit();

 private:
  struct Pending {
    enum class Kind : uint8_t {
      kNothing,
      kIn,     // data for an I/O port's read
      kLoad,   // data for a load
      kOther,  // an instruction to be finished with zeros
      kRest,   // a store with further pieces
    } kind = Kind::kNothing;
    Load load;
  };

  // What a snapshot is made of.
  struct Seen {
    kvm_regs regs = {};
    kvm_segment cs = {};
    PagingState paging;
    uint64_t cr2 = 0;
  };

  [[nodiscard]] kvm_regs& regs() const { return page_.s.regs.regs; }
  [[nodiscard]] const kvm_sregs& sregs() const { return page_.s.regs.sregs; }
  void See();
  [[nodiscard]] GuestGprs Gprs() const;
  [[nodiscard]] CodeSize Code() const;
  [[nodiscard]] PagingState Paging() const;
  [[nodiscard]] uint64_t BaseOf(Segment segment) const;
  [[nodiscard]] Result<void> SetCpuid(Kvm& kvm);
  [[nodiscard]] Result<void> SetSpecialRegisters(uint64_t entry);
  void ForgetFormerLife();

  Before Force();
  using CodeBytes = std::array<uint8_t, kMaxInstructionBytes>;
  // Copies code as far as it is mapped; gives the count.
  size_t ReadCode(uint64_t linear, std::span<uint8_t> out, GuestBytes& memory);
  [[nodiscard]] std::optional<GuestInstruction> DecodeAt(uint64_t pc, GuestBytes& memory, CodeBytes* bytes);
  // The store that ends at the present pc and has written what KVM tells. KVM may be let finish that.
  [[nodiscard]] std::optional<GuestInstruction> FindStore(GuestBytes& memory, CodeBytes* bytes);
  // How many bytes stand before the pc, of which the last are at the end of `bytes`.
  size_t ReadBefore(GuestBytes& memory, CodeBytes* bytes);
  [[nodiscard]] bool StoreGoesOn();
  [[nodiscard]] bool HasStored(const GuestInstruction& store, GuestBytes& memory);
  // Whether what KVM tells is what it stores from its byte `first` on; true where that is not known.
  [[nodiscard]] bool StoresThis(const GuestInstruction& store, uint64_t first) const;
  [[nodiscard]] bool IsString(GuestBytes& memory);
  [[nodiscard]] zx_status_t OfferException(uint32_t vector);
  [[nodiscard]] MachineExit OnApicWrite(uint32_t msr, uint64_t value);

  KvmVcpu& kvm_;
  kvm_run& page_;
  uint32_t index_;
  Pending pending_;
  // While an instruction is being finished: what is put back.
  kvm_regs wanted_ = {};
  Seen last_;
  bool last_is_older_ = false;
  // Instructions that come again are found faster: drivers store to a device from a few places.
  KnownPage code_page_;
  KnownPage data_page_;
  std::array<StoresBefore, 32> stores_;
};

}  // namespace zxctl::arch
