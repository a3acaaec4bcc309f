#include "guest_cpu.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace zxctl::arch {
namespace {

// What the packet is on this machine.
static_assert(offsetof(zx_packet_guest_mem_t, access_size) == 8 && offsetof(zx_packet_guest_mem_t, sign_extend) == 9 &&
              offsetof(zx_packet_guest_mem_t, xt) == 10 && offsetof(zx_packet_guest_mem_t, read) == 11 &&
              offsetof(zx_packet_guest_mem_t, data) == 16 && sizeof(zx_packet_guest_mem_t) == 32);

// Bits of the guest's addresses: what is behind its memory needs one more than that.
constexpr int kMostAddressBits = 40;
constexpr int kLeastAddressBits = 37;

constexpr uint64_t kSctlr = ARM64_SYS_REG(3, 0, 1, 0, 0);
constexpr uint64_t kTtbr0 = ARM64_SYS_REG(3, 0, 2, 0, 0);
constexpr uint64_t kTtbr1 = ARM64_SYS_REG(3, 0, 2, 0, 1);
constexpr uint64_t kTcr = ARM64_SYS_REG(3, 0, 2, 0, 2);
constexpr uint64_t kEsr = ARM64_SYS_REG(3, 0, 5, 2, 0);
constexpr uint64_t kFar = ARM64_SYS_REG(3, 0, 6, 0, 0);
constexpr uint64_t kVbar = ARM64_SYS_REG(3, 0, 12, 0, 0);
// Among the core registers.
constexpr uint64_t kElr = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | offsetof(kvm_regs, elr_el1) / 4;

constexpr uint64_t kFlags = 0xf000'0000;  // NZCV
// At EL1, with its own stack pointer, and all interrupts masked.
constexpr uint64_t kFirstPstate = 0x3c5;

constexpr uint32_t kCallCpuOn32 = 0x8400'0003;
constexpr uint32_t kCallCpuOn64 = 0xc400'0003;

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
      Need{KVM_CAP_ONE_REG, "KVM_CAP_ONE_REG"},
      Need{KVM_CAP_ARM_PSCI_0_2, "KVM_CAP_ARM_PSCI_0_2"},
      Need{KVM_CAP_ARM_NISV_TO_USER, "KVM_CAP_ARM_NISV_TO_USER"},
      Need{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
      Need{KVM_CAP_DEVICE_CTRL, "KVM_CAP_DEVICE_CTRL"},
  };
  for (const Need& need : kNeeds) {
    if (kvm.Extension(need.capability) == 0) return need.name;
  }
  // Without the extension there are 40.
  const int bits = kvm.Extension(KVM_CAP_ARM_VM_IPA_SIZE);
  if (bits > 1 && bits < kLeastAddressBits) {
    return fmt::format("guest addresses of {} bits (it has {})", kLeastAddressBits, bits);
  }
  constexpr long kPageBytes = 4096;
  return sysconf(_SC_PAGESIZE) == kPageBytes ? "" : "pages of 4 KiB";
}

unsigned long VmType(Kvm& kvm) {
  const int bits = kvm.Extension(KVM_CAP_ARM_VM_IPA_SIZE);
  return bits < kLeastAddressBits ? 0 : static_cast<unsigned long>(std::min(bits, kMostAddressBits));
}

Result<void> GuestCpu::Begin(Kvm& /*kvm*/, uint64_t entry, bool has_begun) {
  int error = 0;
  if (has_begun) {
    // KVM ends an access that nobody has finished before it does anything else.
    kvm_.page().immediate_exit = 1;
    static_cast<void>(kvm_.Run());
    error = board_.Reset(kvm_);
    if (error == 0) error = board_.ForgetInterrupts(index_);
  }
  registers_.Set(GuestRegisters::kPc, entry);
  registers_.Set(GuestRegisters::kPstate, kFirstPstate);
  if (error == 0) error = registers_.Flush();
  if (error == 0) return {};
  Status status = Status::FromErrno("KVM does not let the VCPU begin", error);
  status.zx = error == ENOMEM ? ZX_ERR_NO_MEMORY : ZX_ERR_NO_RESOURCES;
  return Fail(std::move(status));
}

// ---- what is seen of it ----------------------------------------------------------------------------------------------

void GuestCpu::ReadState(zx_vcpu_state_t* out) const {
  *out = {};
  for (size_t i = 0; i < GuestRegisters::kGprs; ++i) out->x[i] = registers_.Get(i);
  out->sp = registers_.Get(GuestRegisters::kSp);
  out->cpsr = static_cast<uint32_t>(registers_.Get(GuestRegisters::kPstate) & kFlags);
}

void GuestCpu::WriteState(const zx_vcpu_state_t& state) {
  for (size_t i = 0; i < GuestRegisters::kGprs; ++i) registers_.Set(i, state.x[i]);
  registers_.Set(GuestRegisters::kSp, state.sp);
  const uint64_t rest = registers_.Get(GuestRegisters::kPstate) & ~kFlags;
  registers_.Set(GuestRegisters::kPstate, rest | (state.cpsr & kFlags));
}

GuestSnapshot GuestCpu::LastSnapshot() const {
  GuestSnapshot snapshot = {.pc = registers_.Get(GuestRegisters::kPc),
                            .esr = registers_.GetSystem(kEsr),
                            .far = registers_.GetSystem(kFar),
                            .elr = registers_.GetSystem(kElr),
                            .vbar = registers_.GetSystem(kVbar),
                            .paging = {.sctlr = registers_.GetSystem(kSctlr),
                                       .tcr = registers_.GetSystem(kTcr),
                                       .ttbr0 = registers_.GetSystem(kTtbr0),
                                       .ttbr1 = registers_.GetSystem(kTtbr1)}};
  ReadState(&snapshot.state);
  snapshot.state.cpsr = static_cast<uint32_t>(registers_.Get(GuestRegisters::kPstate));
  return snapshot;
}

void GuestSnapshot::Tell(zxl_vcpu_exit_info_t* out) const {
  out->pc = pc;
  out->esr = esr;
  out->far = far;
  out->elr = elr;
  out->vbar = vbar;
  out->sctlr = paging.sctlr;
  out->tcr = paging.tcr;
  out->ttbr0 = paging.ttbr0;
  out->ttbr1 = paging.ttbr1;
  out->code_bits = 64;
  out->state = state;
}

uint64_t GuestCpu::ValueOf(uint8_t target) const { return target == kZeroRegister ? 0 : registers_.Get(target); }

// ---- before KVM_RUN --------------------------------------------------------------------------------------------------

GuestCpu::Before GuestCpu::Prepare() {
  if (!load_) {
    static_cast<void>(registers_.Flush());
    return Before::kEnter;
  }
  wanted_ = ValueOf(load_->target);
  static_cast<void>(registers_.Flush());
  // KVM swaps the bytes behind its extension of the sign: that leaves what no load does.
  const auto data = load_is_swapped_ ? std::nullopt : DataFor(*load_, wanted_);
  const uint64_t bytes = data.value_or(0);
  std::memcpy(kvm_.page().mmio.data, &bytes, sizeof(bytes));
  return data ? Before::kEnter : Before::kFinish;
}

void GuestCpu::OnFinished() {
  registers_.Forget();
  if (load_ && load_->target != kZeroRegister) registers_.Set(load_->target, wanted_);
  load_.reset();
}

zx_status_t GuestCpu::Offer(InterruptSet& interrupts) {
  if (interrupts.empty()) return ZX_OK;
  return board_.Raise(index_, interrupts) == 0 ? ZX_OK : ZX_ERR_INTERNAL;
}

// ---- after an exit ---------------------------------------------------------------------------------------------------

PagingState GuestCpu::PagingAt(uint64_t pc) const {
  PagingState state = {.sctlr = registers_.GetSystem(kSctlr)};
  if (!IsPagingOn(state.sctlr)) return state;
  state.tcr = registers_.GetSystem(kTcr);
  (IsUpperHalf(pc) ? state.ttbr1 : state.ttbr0) = registers_.GetSystem(IsUpperHalf(pc) ? kTtbr1 : kTtbr0);
  return state;
}

bool GuestCpu::IsBigEndian(uint64_t sctlr) const {
  constexpr uint64_t kMode = 0xf;
  constexpr uint64_t kAtEl0 = 1U << 24;
  constexpr uint64_t kAtEl1 = 1U << 25;
  const bool in_user_mode = (registers_.Get(GuestRegisters::kPstate) & kMode) == 0;
  return (sctlr & (in_user_mode ? kAtEl0 : kAtEl1)) != 0;
}

std::optional<LoadStore> GuestCpu::FindAccess(GuestBytes& memory) const {
  const auto& mmio = kvm_.page().mmio;
  const uint64_t pc = registers_.Get(GuestRegisters::kPc);
  const PagingState paging = PagingAt(pc);
  const auto at = TranslateLinear(paging, pc, memory);
  uint32_t instruction = 0;
  if (!at || !ReadPhysical(memory, *at, &instruction, sizeof(instruction))) return std::nullopt;
  const auto found = DecodeLoadStore(instruction);
  if (!found || found->bytes != mmio.len || found->is_load == (mmio.is_write != 0)) return std::nullopt;
  if (found->is_load || IsBigEndian(paging.sctlr)) return found;
  const uint64_t value = ValueOf(found->target);
  return std::memcmp(&value, mmio.data, mmio.len) == 0 ? found : std::nullopt;
}

zx_status_t GuestCpu::FillMemoryPacket(GuestBytes& memory, zx_packet_guest_mem_t* out) {
  const auto found = FindAccess(memory);
  if (!found) return ZX_ERR_IO_DATA_INTEGRITY;
  *out = {.addr = kvm_.page().mmio.phys_addr,
          .access_size = found->bytes,
          .sign_extend = found->sign_extends,
          .xt = found->target,
          .read = found->is_load,
          .data = found->is_load ? 0 : ValueOf(found->target)};
  if (!found->is_load) return ZX_OK;
  load_ = found;
  load_is_swapped_ = IsBigEndian(registers_.GetSystem(kSctlr));
  return ZX_OK;
}

MachineExit GuestCpu::OnMachineExit() {
  const kvm_run& page = kvm_.page();
  const auto call = page.hypercall.nr;
  if (page.exit_reason != KVM_EXIT_HYPERCALL || (call != kCallCpuOn32 && call != kCallCpuOn64)) {
    return {.why = "the guest did something that has no meaning here"};
  }
  const uint64_t mask = call == kCallCpuOn32 ? 0xffff'ffff : ~uint64_t{0};
  MachineExit exit = {.kind = MachineExit::Kind::kPacket, .status = ZX_OK};
  exit.packet.type = ZX_PKT_GUEST_VCPU_STARTUP;
  exit.packet.startup = {.id = registers_.Get(1) & mask, .entry = registers_.Get(2) & mask};
  registers_.Set(0, 0);
  return exit;
}

}  // namespace zxctl::arch
