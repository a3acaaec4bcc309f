#include <fmt/format.h>
#include <signal.h>
#include <zircon/syscalls/debug.h>

#include <algorithm>
#include <cstring>

#include "arch_machine.h"
#include "bytes.h"

namespace zxctl::arch {
namespace {

using VectorRegs = zx_arm64_thread_state_vector_regs_t;
using DebugRegs = zx_arm64_thread_state_debug_regs_t;

constexpr uint32_t kVectorSet = 2;          // NT_PRFPREG
constexpr uint32_t kBreakpointSet = 0x402;  // NT_ARM_HW_BREAK
constexpr uint32_t kWatchpointSet = 0x403;  // NT_ARM_HW_WATCH

constexpr std::array<StateLayout, 5> kStates = {{
    {.kind = ZX_THREAD_STATE_GENERAL_REGS, .bytes = sizeof(GeneralRegs)},
    {.kind = ZX_THREAD_STATE_FP_REGS,
     .bytes = sizeof(zx_arm64_thread_state_fp_regs_t),
     .missing = "arm64 has its floating point in the vector registers: use ZX_THREAD_STATE_VECTOR_REGS"},
    {.kind = ZX_THREAD_STATE_VECTOR_REGS, .bytes = sizeof(VectorRegs), .sets = {kVectorSet}},
    {.kind = ZX_THREAD_STATE_DEBUG_REGS, .bytes = sizeof(DebugRegs), .sets = {kBreakpointSet, kWatchpointSet}},
    {.kind = ZX_THREAD_STATE_SINGLE_STEP, .bytes = sizeof(zx_thread_state_single_step_t)},
}};

// ---- NT_PRFPREG: v0 to v31, fpsr, fpcr ----

constexpr size_t kFpsrAt = 512;
constexpr size_t kFpcrAt = 516;
static_assert(sizeof(VectorRegs::v) == kFpsrAt);

// ---- the debug register sets: what there is, then pairs of address and control ----

constexpr size_t kPairsAt = 8;
constexpr uint32_t kCountMask = 0xff;
constexpr uint32_t kEnabled = 1;
// Of a breakpoint's control only whether it is enabled is free: all of an instruction, in user mode.
constexpr uint32_t kBreakpointControl = 0x1e5;
// Of a watchpoint's: enabled, loads and stores, which bytes; in user mode.
constexpr uint32_t kWatchpointUser = 0x1ff9;
constexpr uint32_t kUserMode = 0x4;

struct Pair {
  uint64_t address;
  uint32_t control;
  uint32_t reserved;
};
static_assert(sizeof(Pair) == sizeof(DebugRegs::hw_bps[0]) && sizeof(Pair) == sizeof(DebugRegs::hw_wps[0]));

size_t CountOf(std::span<const std::byte> set) {
  const size_t count = Get<uint32_t>(set) & kCountMask;
  return set.size() < kPairsAt ? 0 : std::min(count, (set.size() - kPairsAt) / sizeof(Pair));
}

Pair PairOf(std::span<const std::byte> set, size_t index) { return Get<Pair>(set, kPairsAt + index * sizeof(Pair)); }

DebugRegs ShowDebug(const StateSets& sets) {
  DebugRegs regs{};
  regs.hw_bps_count = static_cast<uint8_t>(CountOf(sets[0]));
  regs.hw_wps_count = static_cast<uint8_t>(CountOf(sets[1]));
  for (size_t i = 0; i < regs.hw_bps_count; ++i) {
    const Pair pair = PairOf(sets[0], i);
    regs.hw_bps[i] = {
        .dbgbvr = pair.address, .dbgbcr = (pair.control & kEnabled) != 0 ? kBreakpointControl : 0, .reserved = 0};
  }
  for (size_t i = 0; i < regs.hw_wps_count; ++i) {
    const Pair pair = PairOf(sets[1], i);
    regs.hw_wps[i] = {
        .dbgwvr = pair.address, .dbgwcr = (pair.control & kEnabled) != 0 ? pair.control : 0, .reserved = 0};
  }
  return regs;
}

std::optional<std::string> CheckAddress(std::string_view name, size_t index, uint64_t address) {
  if (!IsKernelHalf(address)) return std::nullopt;
  return fmt::format("{}{} {:#x} is not an address of a program", name, index, address);
}

std::optional<std::string> TakeDebug(const DebugRegs& regs, const StateSets& sets) {
  const size_t breakpoints = CountOf(sets[0]);
  const size_t watchpoints = CountOf(sets[1]);
  for (size_t i = 0; i < breakpoints; ++i) {
    if (auto refused = CheckAddress("dbgbvr", i, regs.hw_bps[i].dbgbvr)) return refused;
  }
  for (size_t i = 0; i < watchpoints; ++i) {
    if (auto refused = CheckAddress("dbgwvr", i, regs.hw_wps[i].dbgwvr)) return refused;
  }
  for (size_t i = 0; i < breakpoints; ++i) {
    const bool enabled = (regs.hw_bps[i].dbgbcr & kEnabled) != 0;
    Put(sets[0], kPairsAt + i * sizeof(Pair), Pair{regs.hw_bps[i].dbgbvr, enabled ? kBreakpointControl : 0, 0});
  }
  for (size_t i = 0; i < watchpoints; ++i) {
    const uint32_t control = (regs.hw_wps[i].dbgwcr & kWatchpointUser) | kUserMode;
    const bool enabled = (control & kEnabled) != 0;
    Put(sets[1], kPairsAt + i * sizeof(Pair), Pair{regs.hw_wps[i].dbgwvr, enabled ? control : 0, 0});
  }
  return std::nullopt;
}

VectorRegs ShowVectors(std::span<const std::byte> set) {
  VectorRegs regs{};
  if (set.size() >= sizeof(regs.v)) std::memcpy(regs.v, set.data(), sizeof(regs.v));
  regs.fpsr = Get<uint32_t>(set, kFpsrAt);
  regs.fpcr = Get<uint32_t>(set, kFpcrAt);
  return regs;
}

void TakeVectors(const VectorRegs& regs, std::span<std::byte> set) {
  if (set.size() >= sizeof(regs.v)) std::memcpy(set.data(), regs.v, sizeof(regs.v));
  Put(set, kFpsrAt, regs.fpsr);
  Put(set, kFpcrAt, regs.fpcr);
}

}  // namespace

const StateLayout* FindState(uint32_t kind) { return FindState(kStates, kind); }

std::optional<std::string> ShowState(const StateLayout& layout, const StateSets& sets, std::span<std::byte> out) {
  if (layout.kind == ZX_THREAD_STATE_VECTOR_REGS) Put(out, 0, ShowVectors(sets[0]));
  if (layout.kind == ZX_THREAD_STATE_DEBUG_REGS) Put(out, 0, ShowDebug(sets));
  return std::nullopt;
}

std::optional<std::string> TakeState(const StateLayout& layout, std::span<const std::byte> in, const StateSets& sets) {
  if (layout.kind == ZX_THREAD_STATE_DEBUG_REGS) return TakeDebug(Get<DebugRegs>(in), sets);
  TakeVectors(Get<VectorRegs>(in), sets[0]);
  return std::nullopt;
}

bool IsStep(int signo, int code, int pid) {
  // What ptrace_notify() gives as a code is the number of the signal.
  constexpr int kNotified = SIGTRAP;
  return signo == SIGTRAP && pid == 0 && (code == SI_USER || code == kNotified);
}

bool IsLostInCalls(std::span<const std::byte> set) {
  constexpr size_t kFlagsAt = 12;  // in struct user_sve_header
  constexpr uint16_t kLarge = 1;   // SVE_PT_REGS_SVE
  return (Get<uint16_t>(set, kFlagsAt) & kLarge) != 0;
}

bool IsArmed(const StateSets& sets) {
  return std::any_of(sets.begin(), sets.end(), [](std::span<const std::byte> set) {
    size_t enabled = 0;
    for (size_t i = 0; i < CountOf(set); ++i) enabled += PairOf(set, i).control & kEnabled;
    return enabled != 0;
  });
}

size_t WritableBytes(uint32_t note_type, std::span<const std::byte> set) {
  const bool debug = note_type == kBreakpointSet || note_type == kWatchpointSet;
  return debug ? std::min(kPairsAt + CountOf(set) * sizeof(Pair), set.size()) : set.size();
}

}  // namespace zxctl::arch
