#include <fmt/format.h>
#include <sys/auxv.h>
#include <zircon/syscalls/debug.h>

#include "arch_machine.h"
#include "bytes.h"
#include "riscv64/vector_regs.h"

namespace zxctl::arch {
namespace {

using FpRegs = zx_riscv64_thread_state_fp_regs_t;
using VectorRegs = zx_riscv64_thread_state_vector_regs_t;

constexpr uint32_t kFpSet = 2;          // NT_PRFPREG
constexpr uint32_t kVectorSet = 0x901;  // NT_RISCV_VECTOR
constexpr size_t kRegisters = 32;
constexpr size_t kFcsrAt = kRegisters * sizeof(uint64_t);
// A number of 64 bits in a register of 128.
constexpr uint64_t kBoxed = ~uint64_t{0};

constexpr StateLayout kVectors = {
    .kind = ZX_THREAD_STATE_VECTOR_REGS,
    .bytes = sizeof(VectorRegs),
    .sets = {kVectorSet},
    .unused = "the thread has executed no vector instruction: Linux gives it vector registers with the first"};

constexpr std::array<StateLayout, 5> kStates = {{
    {.kind = ZX_THREAD_STATE_GENERAL_REGS, .bytes = sizeof(GeneralRegs)},
    {.kind = ZX_THREAD_STATE_FP_REGS, .bytes = sizeof(FpRegs), .sets = {kFpSet}},
    {.kind = ZX_THREAD_STATE_VECTOR_REGS,
     .bytes = sizeof(VectorRegs),
     .missing = "this machine has no vector registers"},
    {.kind = ZX_THREAD_STATE_DEBUG_REGS, .missing = "Linux has no debug registers for programs on riscv64"},
    {.kind = ZX_THREAD_STATE_SINGLE_STEP,
     .bytes = sizeof(zx_thread_state_single_step_t),
     .missing = "Linux cannot step a thread on riscv64"},
}};

bool HasVectors() {
  constexpr int kBit = 'v' - 'a';
  return (getauxval(AT_HWCAP) >> kBit & 1) != 0;
}

// ---- floating point ----

FpRegs ShowFp(std::span<const std::byte> set) {
  FpRegs regs{};
  for (size_t i = 0; i < kRegisters; ++i) {
    regs.q[i] = {.low = Get<uint64_t>(set, i * sizeof(uint64_t)), .high = kBoxed};
  }
  regs.fcsr = Get<uint32_t>(set, kFcsrAt);
  return regs;
}

std::optional<std::string> TakeFp(const FpRegs& regs, std::span<std::byte> set) {
  for (size_t i = 0; i < kRegisters; ++i) {
    if (regs.q[i].high != kBoxed) {
      return fmt::format("q[{}].high is {:#x}, and all ones in a register of 64 bits", i, regs.q[i].high);
    }
  }
  for (size_t i = 0; i < kRegisters; ++i) Put(set, i * sizeof(uint64_t), regs.q[i].low);
  Put(set, kFcsrAt, regs.fcsr);
  return std::nullopt;
}

// ---- vectors ----

// As the kernel has them, in front of the registers.
struct VectorHead {
  uint64_t vstart;
  uint64_t vl;
  uint64_t vtype;
  uint64_t vcsr;
  uint64_t vlenb;  // bytes of a register
};

std::optional<std::string> ShowVectors(std::span<const std::byte> set, std::span<std::byte> out) {
  VectorRegs regs{};
  if (!set.empty()) {
    const auto head = Get<VectorHead>(set);
    if (head.vlenb != sizeof(regs.v[0])) {
      return fmt::format("this machine's vector registers have {} bits: 128 are what the structure has room for",
                         head.vlenb * 8);
    }
    regs.vcsr = head.vcsr;
    regs.vstart = head.vstart;
    regs.vl = head.vl;
    regs.vtype = head.vtype;
    for (size_t i = 0; i < kRegisters; ++i) {
      regs.v[i] = Get<zx_thread_state_register128_t>(set, sizeof(VectorHead) + i * sizeof(regs.v[i]));
    }
  }
  Put(out, 0, regs);
  return std::nullopt;
}

std::optional<std::string> TakeVectors(const VectorRegs& regs, std::span<std::byte> set) {
  if (auto refused = riscv64::ValidateVectorRegs(regs)) return refused;
  const VectorHead head = {.vstart = regs.vstart,
                           .vl = regs.vl,
                           .vtype = regs.vtype,
                           .vcsr = regs.vcsr,
                           .vlenb = Get<VectorHead>(set).vlenb};
  Put(set, 0, head);
  for (size_t i = 0; i < kRegisters; ++i) Put(set, sizeof(head) + i * sizeof(regs.v[i]), regs.v[i]);
  return std::nullopt;
}

}  // namespace

const StateLayout* FindState(uint32_t kind) {
  static const bool has_vectors = HasVectors();
  return kind == kVectors.kind && has_vectors ? &kVectors : FindState(kStates, kind);
}

std::optional<std::string> ShowState(const StateLayout& layout, const StateSets& sets, std::span<std::byte> out) {
  if (layout.kind == ZX_THREAD_STATE_VECTOR_REGS) return ShowVectors(sets[0], out);
  Put(out, 0, ShowFp(sets[0]));
  return std::nullopt;
}

std::optional<std::string> TakeState(const StateLayout& layout, std::span<const std::byte> in, const StateSets& sets) {
  if (layout.kind == ZX_THREAD_STATE_FP_REGS) return TakeFp(Get<FpRegs>(in), sets[0]);
  return TakeVectors(Get<VectorRegs>(in), sets[0]);
}

bool IsStep(int /*signo*/, int /*code*/, int /*pid*/) { return false; }

bool IsArmed(const StateSets& /*sets*/) { return false; }

}  // namespace zxctl::arch
