#include <fmt/format.h>
#include <zircon/syscalls/debug.h>

#include "arch_machine.h"
#include "bytes.h"

namespace zxctl::arch {
namespace {

using FpRegs = zx_riscv64_thread_state_fp_regs_t;

constexpr uint32_t kFpSet = 2;  // NT_PRFPREG
constexpr size_t kRegisters = 32;
constexpr size_t kFcsrAt = kRegisters * sizeof(uint64_t);
// A number of 64 bits in a register of 128.
constexpr uint64_t kBoxed = ~uint64_t{0};

constexpr std::array<StateLayout, 5> kStates = {{
    {.kind = ZX_THREAD_STATE_GENERAL_REGS, .bytes = sizeof(GeneralRegs)},
    {.kind = ZX_THREAD_STATE_FP_REGS, .bytes = sizeof(FpRegs), .sets = {kFpSet}},
    {.kind = ZX_THREAD_STATE_VECTOR_REGS, .missing = "the vector registers of riscv64 cannot be read"},
    {.kind = ZX_THREAD_STATE_DEBUG_REGS, .missing = "Linux has no debug registers for programs on riscv64"},
    {.kind = ZX_THREAD_STATE_SINGLE_STEP,
     .bytes = sizeof(zx_thread_state_single_step_t),
     .missing = "Linux cannot step a thread on riscv64"},
}};

}  // namespace

const StateLayout* FindState(uint32_t kind) { return FindState(kStates, kind); }

void ShowState(const StateLayout& /*layout*/, const StateSets& sets, std::span<std::byte> out) {
  FpRegs regs{};
  for (size_t i = 0; i < kRegisters; ++i) {
    regs.q[i] = {.low = Get<uint64_t>(sets[0], i * sizeof(uint64_t)), .high = kBoxed};
  }
  regs.fcsr = Get<uint32_t>(sets[0], kFcsrAt);
  Put(out, 0, regs);
}

std::optional<std::string> TakeState(const StateLayout& /*layout*/, std::span<const std::byte> in,
                                     const StateSets& sets) {
  const auto regs = Get<FpRegs>(in);
  for (size_t i = 0; i < kRegisters; ++i) {
    if (regs.q[i].high != kBoxed) {
      return fmt::format("q[{}].high is {:#x}, and all ones in a register of 64 bits", i, regs.q[i].high);
    }
  }
  for (size_t i = 0; i < kRegisters; ++i) Put(sets[0], i * sizeof(uint64_t), regs.q[i].low);
  Put(sets[0], kFcsrAt, regs.fcsr);
  return std::nullopt;
}

bool IsStep(int /*signo*/, int /*code*/, int /*pid*/) { return false; }

bool IsArmed(const StateSets& /*sets*/) { return false; }

}  // namespace zxctl::arch
