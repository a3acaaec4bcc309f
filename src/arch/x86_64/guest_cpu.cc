#include "guest_cpu.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace zxctl::arch {
namespace {

constexpr uint64_t kEferLongActive = 1U << 10;
constexpr uint64_t kFlagsFixed = 2;
// CF PF AF ZF SF TF DF OF NT AC ID
constexpr uint64_t kUserFlags = 0x244dd5 & ~kFlagsFixed;

// Vectors below it are exceptions; those after kLastException are nobody's.
constexpr uint32_t kFirstInterrupt = 32;
constexpr uint32_t kNmi = 2;
constexpr uint32_t kLastException = 20;

bool HasErrorCode(uint32_t vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

CodeSize CodeOf(uint64_t efer, const kvm_segment& cs) {
  if ((efer & kEferLongActive) != 0 && cs.l != 0) return CodeSize::k64;
  return cs.db != 0 ? CodeSize::k32 : CodeSize::k16;
}

// Zircon's registers are in the order of the encoding, KVM's are not.
template <typename Out, typename In>
void CopyRegisters(Out& out, const In& in) {
  out.rax = in.rax;
  out.rcx = in.rcx;
  out.rdx = in.rdx;
  out.rbx = in.rbx;
  out.rsp = in.rsp;
  out.rbp = in.rbp;
  out.rsi = in.rsi;
  out.rdi = in.rdi;
  out.r8 = in.r8;
  out.r9 = in.r9;
  out.r10 = in.r10;
  out.r11 = in.r11;
  out.r12 = in.r12;
  out.r13 = in.r13;
  out.r14 = in.r14;
  out.r15 = in.r15;
}

}  // namespace

// ---- what is seen of it ----------------------------------------------------------------------------------------------

void GuestCpu::ReadState(zx_vcpu_state_t* out) const {
  CopyRegisters(*out, regs());
  out->rflags = regs().rflags & kUserFlags;
}

void GuestCpu::WriteState(const zx_vcpu_state_t& state) {
  CopyRegisters(regs(), state);
  if ((state.rflags & kFlagsFixed) != 0) {
    regs().rflags = (regs().rflags & ~kUserFlags) | (state.rflags & kUserFlags);
  }
  page_.kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

bool GuestCpu::WriteIo(const zx_vcpu_io_t& io) {
  if (io.access_size != 1 && io.access_size != 2 && io.access_size != 4) return false;
  std::memcpy(&regs().rax, io.data, io.access_size);
  // KVM waits for it, and puts it there itself.
  if (pending_.kind != Pending::Kind::kIn) page_.kvm_dirty_regs |= KVM_SYNC_X86_REGS;
  return true;
}

void GuestCpu::See() { last_ = {.regs = regs(), .cs = sregs().cs, .paging = Paging(), .cr2 = sregs().cr2}; }

GuestSnapshot GuestCpu::LastSnapshot() const {
  const CodeSize code = CodeOf(last_.paging.efer, last_.cs);
  GuestSnapshot snapshot = {.pc = last_.regs.rip,
                            .fault_address = last_.cr2,
                            .paging = last_.paging,
                            .code_base = code == CodeSize::k64 ? 0 : last_.cs.base,
                            .code_bits = code == CodeSize::k64   ? 64U
                                         : code == CodeSize::k32 ? 32U
                                                                 : 16U};
  CopyRegisters(snapshot.state, last_.regs);
  snapshot.state.rflags = last_.regs.rflags;
  return snapshot;
}

void GuestSnapshot::Tell(zxl_vcpu_exit_info_t* out) const {
  out->rip = pc;
  out->cr2 = fault_address;
  out->cr0 = paging.cr0;
  out->cr3 = paging.cr3;
  out->cr4 = paging.cr4;
  out->efer = paging.efer;
  out->cs_base = code_base;
  out->code_bits = code_bits;
  out->state = state;
}

GuestGprs GuestCpu::Gprs() const {
  const kvm_regs& r = regs();
  return {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
}

CodeSize GuestCpu::Code() const { return CodeOf(sregs().efer, sregs().cs); }

PagingState GuestCpu::Paging() const {
  return {.cr0 = sregs().cr0, .cr3 = sregs().cr3, .cr4 = sregs().cr4, .efer = sregs().efer};
}

uint64_t GuestCpu::BaseOf(Segment segment) const {
  const kvm_sregs& s = sregs();
  const bool flat = Code() == CodeSize::k64;
  switch (segment) {
    case Segment::kEs:
      return flat ? 0 : s.es.base;
    case Segment::kCs:
      return flat ? 0 : s.cs.base;
    case Segment::kSs:
      return flat ? 0 : s.ss.base;
    case Segment::kDs:
      return flat ? 0 : s.ds.base;
    case Segment::kFs:
      return s.fs.base;
    case Segment::kGs:
      return s.gs.base;
  }
  return 0;
}

// ---- before KVM_RUN --------------------------------------------------------------------------------------------------

GuestCpu::Before GuestCpu::Force() {
  pending_.kind = Pending::Kind::kOther;
  wanted_ = regs();
  // What is restored then must not be lost to what the instruction leaves.
  page_.kvm_dirty_regs &= ~uint64_t{KVM_SYNC_X86_REGS};
  if (page_.exit_reason == KVM_EXIT_MMIO && !page_.mmio.is_write)
    std::memset(page_.mmio.data, 0, sizeof(page_.mmio.data));
  return Before::kFinish;
}

GuestCpu::Before GuestCpu::Prepare() {
  kvm_run& page = kvm_.page();
  switch (pending_.kind) {
    case Pending::Kind::kNothing:
      return Before::kEnter;
    case Pending::Kind::kIn: {
      // All four bytes zero the upper half of rax.
      if (page.io.size == sizeof(uint32_t) && regs().rax >> 32 != 0) return Force();
      std::memcpy(reinterpret_cast<char*>(&page) + page.io.data_offset, &regs().rax, page.io.size);
      return Before::kEnter;
    }
    case Pending::Kind::kLoad: {
      const auto data = DataFor(pending_.load, Gprs()[pending_.load.target]);
      if (!data) return Force();
      std::memcpy(page.mmio.data, &*data, pending_.load.bytes);
      return Before::kEnter;
    }
    case Pending::Kind::kOther:
    case Pending::Kind::kRest:
      return Force();
  }
  return Before::kEnter;
}

void GuestCpu::OnFinished() {
  pending_ = {};
  wanted_.rip = regs().rip;
  regs() = wanted_;
  kvm_.page().kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

bool GuestCpu::OnUnfinished() {
  if (page_.exit_reason != KVM_EXIT_MMIO && page_.exit_reason != KVM_EXIT_IO) return false;
  if (page_.exit_reason == KVM_EXIT_MMIO && !page_.mmio.is_write)
    std::memset(page_.mmio.data, 0, sizeof(page_.mmio.data));
  return true;
}

zx_status_t GuestCpu::OfferException(uint32_t vector) {
  kvm_vcpu_events events = {};
  if (kvm_.Control(KVM_GET_VCPU_EVENTS, &events) != 0) return ZX_ERR_INTERNAL;
  events.exception.injected = 1;
  events.exception.nr = static_cast<uint8_t>(vector);
  events.exception.has_error_code = HasErrorCode(vector);
  events.exception.error_code = 0;
  return kvm_.Control(KVM_SET_VCPU_EVENTS, &events) == 0 ? ZX_OK : ZX_ERR_INTERNAL;
}

zx_status_t GuestCpu::Offer(InterruptSet& interrupts) {
  kvm_run& page = kvm_.page();
  page.request_interrupt_window = 0;
  if (interrupts.empty()) return ZX_OK;
  if (interrupts.Take(kNmi)) return kvm_.Control(KVM_NMI, nullptr) == 0 ? ZX_OK : ZX_ERR_INTERNAL;
  const auto vector = interrupts.Highest();
  if (!vector) return ZX_OK;
  if (*vector < kFirstInterrupt) {
    interrupts.Take(*vector);
    return *vector > kLastException ? ZX_ERR_NOT_SUPPORTED : OfferException(*vector);
  }
  // KVM injects into a guest that has its interrupts off, if it is told to.
  if (page.ready_for_interrupt_injection == 0 || page.if_flag == 0) {
    page.request_interrupt_window = 1;
    return ZX_OK;
  }
  kvm_interrupt interrupt = {.irq = *vector};
  const int error = kvm_.Control(KVM_INTERRUPT, &interrupt);
  if (error != 0) return ZX_ERR_INTERNAL;
  interrupts.Take(*vector);
  page.ready_for_interrupt_injection = 0;
  page.request_interrupt_window = interrupts.empty() ? 0 : 1;
  return ZX_OK;
}

// ---- after an exit ---------------------------------------------------------------------------------------------------

void GuestCpu::OnExit() {
  // Some processors leave nothing of a guest that has shut down, and KVM shows one that was just reset.
  constexpr uint64_t kResetBase = 0xffff'0000;
  const bool was_reset = kvm_.page().exit_reason == KVM_EXIT_SHUTDOWN && sregs().cs.base == kResetBase;
  last_is_older_ = was_reset;
  if (!was_reset) See();
}

// ---- the local APIC --------------------------------------------------------------------------------------------------

MachineExit GuestCpu::OnMachineExit() {
  kvm_run& page = kvm_.page();
  if (page.exit_reason == KVM_EXIT_X86_RDMSR) {
    constexpr uint32_t kId = 0x802;
    constexpr uint32_t kVersion = 0x803;
    constexpr uint64_t kVersionOfX2Apic = 0x5'0014;
    const uint32_t msr = page.msr.index;
    page.msr.error = msr < 0x800 || msr > 0x8ff;
    page.msr.data = msr == kId ? index_ : msr == kVersion ? kVersionOfX2Apic : 0;
    return {.kind = MachineExit::Kind::kRunAgain};
  }
  if (page.exit_reason == KVM_EXIT_X86_WRMSR) {
    page.msr.error = page.msr.index < 0x800 || page.msr.index > 0x8ff;
    if (page.msr.error != 0) return {.kind = MachineExit::Kind::kRunAgain};
    return OnApicWrite(page.msr.index, page.msr.data);
  }
  return {.why = "the guest did something that has no meaning here"};
}

MachineExit GuestCpu::OnApicWrite(uint32_t msr, uint64_t value) {
  constexpr uint32_t kCommand = 0x830;
  constexpr uint32_t kSelf = 0x83f;
  constexpr uint64_t kLogical = 1U << 11;
  constexpr uint32_t kToAll = ~0U;
  const auto vector = static_cast<uint32_t>(value & 0xff);
  if (msr == kSelf) return {.kind = MachineExit::Kind::kRaiseSelf, .vector = vector};
  if (msr != kCommand) return {.kind = MachineExit::Kind::kRunAgain};

  const auto mode = static_cast<uint32_t>(value >> 8 & 7);
  const auto shorthand = static_cast<uint32_t>(value >> 18 & 3);
  const auto target = static_cast<uint32_t>(value >> 32);
  if (mode == 5) return {.kind = MachineExit::Kind::kRunAgain};  // INIT
  if ((value & kLogical) != 0 && shorthand == 0) return {.why = "an interrupt to a logical destination"};
  MachineExit exit = {.kind = MachineExit::Kind::kPacket, .status = ZX_OK};
  if (mode == 6) {  // STARTUP
    exit.packet.type = ZX_PKT_GUEST_VCPU_STARTUP;
    exit.packet.startup = {.id = target, .entry = uint64_t{vector} << 12};
    return exit;
  }
  if (mode != 0) return {.why = "an interrupt that is neither fixed nor one of a start"};
  if (shorthand == 1) return {.kind = MachineExit::Kind::kRaiseSelf, .vector = vector};
  const uint64_t all = ~uint64_t{0} >> (64 - kMaxVcpus);
  uint64_t mask = all;
  if (shorthand == 3) mask &= ~(uint64_t{1} << index_);
  if (shorthand == 0 && target != kToAll) mask = target < kMaxVcpus ? uint64_t{1} << target : 0;
  exit.packet.type = ZX_PKT_GUEST_VCPU_INTERRUPT;
  exit.packet.interrupt = {.mask = mask, .vector = static_cast<uint8_t>(vector)};
  return exit;
}

}  // namespace zxctl::arch
