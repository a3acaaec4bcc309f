// How a VCPU begins.
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "guest_cpu.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t kCr0ProtectedMode = 1;
constexpr uint64_t kCr0ExtensionType = 1U << 4;
constexpr uint64_t kCr0NumericError = 1U << 5;
constexpr uint64_t kCr0Paging = uint64_t{1} << 31;
constexpr uint64_t kCr4Pae = 1U << 5;
constexpr uint64_t kEferSyscall = 1;
constexpr uint64_t kEferLongMode = 1U << 8;
constexpr uint64_t kEferLongActive = 1U << 10;
constexpr uint64_t kEferNoExecute = 1U << 11;

constexpr uint64_t kFlagsFixed = 2;

constexpr uint64_t kApicBase = 0xfee0'0000;
constexpr uint64_t kApicBoot = 1U << 8;
constexpr uint64_t kApicX2 = 1U << 10;
constexpr uint64_t kApicOn = 1U << 11;

// Of the registers in the page.
constexpr uint64_t kShown = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;

// Lists that KVM takes. Its header's own have a member that has a size in C++ and none in C, and with it other offsets and
// other requests.
struct ListHead {
  uint32_t count = 0;
  uint32_t padding = 0;
};
struct CpuidList {
  ListHead head;
  std::array<kvm_cpuid_entry2, 256> entries = {};
};
struct MsrList {
  ListHead head;
  std::array<kvm_msr_entry, 1> entries = {};
};
// kvm_xsave has such a member too.
struct FloatingState {
  std::array<uint32_t, 1024> words = {};
};
static_assert(offsetof(CpuidList, entries) == 8 && offsetof(MsrList, entries) == 8 && sizeof(FloatingState) == 4096);
constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, ListHead);
constexpr unsigned long kSetCpuid = _IOW(KVMIO, 0x90, ListHead);
constexpr unsigned long kSetMsrs = _IOW(KVMIO, 0x89, ListHead);
constexpr unsigned long kSetFloating = _IOW(KVMIO, 0xa5, FloatingState);

Status Errno(const char* what, int error) {
  Status status = Status::FromErrno(what, error);
  status.zx = error == ENOMEM ? ZX_ERR_NO_MEMORY : ZX_ERR_NO_RESOURCES;
  return status;
}

kvm_segment CodeSegment(bool is_long, uint64_t base) {
  kvm_segment s = {};
  s.base = base;
  s.limit = is_long ? 0xffff'ffff : 0xffff;
  s.selector = static_cast<uint16_t>(is_long ? 8 : base >> 4);
  s.type = 11;  // code, readable, accessed
  s.present = 1;
  s.s = 1;
  s.l = is_long;
  s.g = is_long;
  return s;
}

kvm_segment DataSegment(bool is_long) {
  kvm_segment s = {};
  s.limit = is_long ? 0xffff'ffff : 0xffff;
  s.selector = is_long ? 16 : 0;
  s.type = 3;  // data, writable, accessed
  s.present = 1;
  s.s = 1;
  s.db = is_long;
  s.g = is_long;
  return s;
}

kvm_segment SystemSegment(uint8_t type) {
  kvm_segment s = {};
  s.limit = 0xffff;
  s.type = type;
  s.present = 1;
  return s;
}

FloatingState FirstFloatingState() {
  constexpr uint32_t kControlWord = 0x37f;
  constexpr uint32_t kMxcsr = 0x1f80;
  constexpr size_t kMxcsrAt = 24 / sizeof(uint32_t);
  constexpr size_t kPartsAt = 512 / sizeof(uint32_t);  // which parts are not as they are at first
  FloatingState state;
  state.words[0] = kControlWord;
  state.words[kMxcsrAt] = kMxcsr;
  state.words[kPartsAt] = 3;  // x87 and SSE: MXCSR counts only with them
  return state;
}

// What a guest may have written, and a new one has not. Each is set by itself: KVM may lack some.
constexpr std::array kFirstMsrs = {
    kvm_msr_entry{.index = 0x174},                                 // SYSENTER_CS
    kvm_msr_entry{.index = 0x175},                                 // SYSENTER_ESP
    kvm_msr_entry{.index = 0x176},                                 // SYSENTER_EIP
    kvm_msr_entry{.index = 0x277, .data = 0x0007'0406'0007'0406},  // PAT
    kvm_msr_entry{.index = 0xc0000081},                            // STAR
    kvm_msr_entry{.index = 0xc0000082},                            // LSTAR
    kvm_msr_entry{.index = 0xc0000083},                            // CSTAR
    kvm_msr_entry{.index = 0xc0000084},                            // SFMASK
    kvm_msr_entry{.index = 0xc0000102},                            // KERNEL_GS_BASE
    kvm_msr_entry{.index = 0xc0000103},                            // TSC_AUX
    // KVM writes to the memory that they name, whenever the VCPU runs: its clock, page faults, stolen time, ends of interrupts.
    kvm_msr_entry{.index = 0x12},
    kvm_msr_entry{.index = 0x4b564d01},
    kvm_msr_entry{.index = 0x4b564d02},
    kvm_msr_entry{.index = 0x4b564d03},
    kvm_msr_entry{.index = 0x4b564d04},
};

// What a guest is told of its processor.
void AdjustCpuid(kvm_cpuid_entry2& entry, uint32_t index) {
  constexpr uint32_t kMonitor = 1U << 3;
  constexpr uint32_t kVmx = 1U << 5;
  constexpr uint32_t kX2Apic = 1U << 21;
  constexpr uint32_t kTscDeadline = 1U << 24;
  constexpr uint32_t kOsXsave = 1U << 27;
  constexpr uint32_t kHypervisor = 1U << 31;
  constexpr uint32_t kSvm = 1U << 2;
  // The clocks only: the rest needs an interrupt controller in the kernel.
  constexpr uint32_t kClocks = 1U << 0 | 1U << 3 | 1U << 24;
  switch (entry.function) {
    case 1:
      entry.ebx = (entry.ebx & 0x00ff'ffff) | index << 24;
      entry.ecx &= ~(kMonitor | kVmx | kTscDeadline | kOsXsave);
      entry.ecx |= kX2Apic | kHypervisor;
      break;
    case 0xb:
    case 0x1f:
      entry.edx = index;
      break;
    case 0x4000'0001:
      entry.eax &= kClocks;
      break;
    case 0x8000'0001:
      entry.ecx &= ~kSvm;
      break;
    default:
      break;
  }
}

}  // namespace

std::string MissingForGuests(Kvm& kvm) {
  struct Need {
    int capability;
    const char* name;
  };
  constexpr std::array kNeeds = {
      Need{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
      Need{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
      Need{KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH"},
      Need{KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR"},
      Need{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
  };
  for (const Need& need : kNeeds) {
    if (kvm.Extension(need.capability) == 0) return std::string(need.name);
  }
  const auto shown = static_cast<uint64_t>(std::max(kvm.Extension(KVM_CAP_SYNC_REGS), 0));
  return (shown & kShown) == kShown ? "" : "KVM_CAP_SYNC_REGS";
}

Result<void> GuestBoard::Prepare(std::span<KvmVcpu* const> /*vcpus*/) {
  kvm_enable_cap msrs = {.cap = KVM_CAP_X86_USER_SPACE_MSR};
  msrs.args[0] = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN;
  const int error = vm_.Control(KVM_ENABLE_CAP, &msrs);
  if (error != 0) return Fail(Errno("cannot ask KVM for the guest's accesses to model-specific registers", error));
  return {};
}

Result<void> GuestCpu::SetCpuid(Kvm& kvm) {
  const auto list = std::make_unique<CpuidList>();
  list->head.count = static_cast<uint32_t>(list->entries.size());
  if (const int error = kvm.Control(kGetSupportedCpuid, list.get()); error != 0) {
    return Fail(Errno("cannot ask KVM for its CPUID", error));
  }
  for (kvm_cpuid_entry2& entry : std::span(list->entries).first(list->head.count)) AdjustCpuid(entry, index_);
  if (const int error = kvm_.Control(kSetCpuid, list.get()); error != 0) {
    return Fail(Errno("KVM refuses the CPUID of the VCPU", error));
  }
  return {};
}

Result<void> GuestCpu::SetSpecialRegisters(uint64_t entry) {
  const bool is_long = index_ == 0;
  kvm_sregs sregs = {};
  sregs.cs = CodeSegment(is_long, is_long ? 0 : entry);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = DataSegment(is_long);
  sregs.tr = SystemSegment(11);  // a busy TSS
  sregs.ldt = SystemSegment(2);
  sregs.gdt = {.base = 0, .limit = 0xffff};
  sregs.idt = {.base = 0, .limit = 0xffff};
  sregs.cr0 = kCr0ExtensionType | kCr0NumericError | (is_long ? kCr0ProtectedMode | kCr0Paging : 0);
  sregs.cr4 = is_long ? kCr4Pae : 0;
  sregs.efer = is_long ? kEferSyscall | kEferLongMode | kEferLongActive | kEferNoExecute : 0;
  sregs.apic_base = kApicBase | kApicOn | kApicX2 | (index_ == 0 ? kApicBoot : 0);
  if (const int error = kvm_.Control(KVM_SET_SREGS, &sregs); error != 0) {
    return Fail(Errno("KVM refuses the first control registers of the VCPU", error));
  }
  page_.s.regs.sregs = sregs;
  // KVM takes this one from here, whatever it was told above.
  page_.cr8 = 0;
  return {};
}

// KVM gives no VCPU up. What it has besides the registers that every beginning sets goes back to what it was at first.
void GuestCpu::ForgetFormerLife() {
  constexpr int kMaxPieces = 64;  // of an access that nobody has finished
  for (int i = 0; i < kMaxPieces; ++i) {
    page_.immediate_exit = 1;
    if (kvm_.Run() != 0) break;
  }
  kvm_vcpu_events events = {};
  static_cast<void>(kvm_.Control(KVM_SET_VCPU_EVENTS, &events));
  static_cast<void>(kvm_.Control(kSetFloating, std::make_unique<FloatingState>(FirstFloatingState()).get()));
  kvm_xcrs extended = {.nr_xcrs = 1};
  extended.xcrs[0].value = 1;  // x87 only
  static_cast<void>(kvm_.Control(KVM_SET_XCRS, &extended));
  kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
  static_cast<void>(kvm_.Control(KVM_SET_DEBUGREGS, &debug));
  for (const kvm_msr_entry& msr : kFirstMsrs) {
    MsrList list = {.head = {.count = 1}, .entries = {msr}};
    static_cast<void>(kvm_.Control(kSetMsrs, &list));
  }
}

Result<void> GuestCpu::Begin(Kvm& kvm, uint64_t entry, bool has_begun) {
  if (has_begun) {
    ForgetFormerLife();
  } else if (auto set = SetCpuid(kvm); !set) {
    return set;
  }
  if (auto set = SetSpecialRegisters(entry); !set) return set;
  regs() = {};
  regs().rip = index_ == 0 ? entry : 0;
  regs().rflags = kFlagsFixed;
  page_.kvm_valid_regs = kShown;
  page_.kvm_dirty_regs = KVM_SYNC_X86_REGS;
  See();
  return {};
}

}  // namespace zxctl::arch
