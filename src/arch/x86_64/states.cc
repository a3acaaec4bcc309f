#include <cpuid.h>
#include <fmt/format.h>
#include <signal.h>
#include <zircon/syscalls/debug.h>

#include <algorithm>

#include "arch_machine.h"
#include "bytes.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t kTrapFlag = 1 << 8;
constexpr uint32_t kXsaveSet = 0x202;  // NT_X86_XSTATE

constexpr std::array<StateLayout, 5> kStates = {{
    {.kind = ZX_THREAD_STATE_GENERAL_REGS, .bytes = sizeof(GeneralRegs)},
    {.kind = ZX_THREAD_STATE_FP_REGS, .bytes = sizeof(zx_thread_state_fp_regs_t), .sets = {kXsaveSet}},
    {.kind = ZX_THREAD_STATE_VECTOR_REGS, .bytes = sizeof(zx_thread_state_vector_regs_t), .sets = {kXsaveSet}},
    {.kind = ZX_THREAD_STATE_DEBUG_REGS, .bytes = sizeof(zx_thread_state_debug_regs_t), .sets = {kUserWordSet}},
    {.kind = ZX_THREAD_STATE_SINGLE_STEP, .bytes = sizeof(zx_thread_state_single_step_t)},
}};

// ---- the XSAVE image, as the register set has it ----

constexpr size_t kMxcsrAt = 24;
constexpr size_t kMxcsrMaskAt = 28;
constexpr size_t kStAt = 32;
constexpr size_t kXmmAt = 160;
constexpr size_t kFeaturesAt = 464;  // what the kernel saves: XCR0 of the thread
constexpr size_t kPresentAt = 512;   // XSTATE_BV: which parts are not at their initial values
constexpr size_t kHeaderEnd = 576;
constexpr uint64_t kX87Part = 1;
constexpr uint64_t kSsePart = 2;
constexpr uint64_t kAvxPart = 4;
constexpr uint32_t kXsaveLeaf = 0xd;
constexpr uint32_t kAvxLeaf = 2;
constexpr size_t kVectors = 16;
constexpr size_t kHalfBytes = 16;
// For processors that leave their own mask 0.
constexpr uint32_t kUsualMxcsrMask = 0xffbf;

static_assert(offsetof(zx_thread_state_fp_regs_t, st) == kStAt && sizeof(zx_thread_state_fp_regs_t) == 160);

// Where the image has the upper halves of ymm; 0 where it has none.
size_t AvxAt(std::span<const std::byte> image) {
  if ((Get<uint64_t>(image, kFeaturesAt) & kAvxPart) == 0) return 0;
  uint32_t size = 0;
  uint32_t offset = 0;
  uint32_t unused = 0;
  if (__get_cpuid_count(kXsaveLeaf, kAvxLeaf, &size, &offset, &unused, &unused) == 0) return 0;
  return offset + kVectors * kHalfBytes <= image.size() ? offset : 0;
}

void MarkPresent(std::span<std::byte> image, uint64_t parts) {
  if (image.size() >= kHeaderEnd) Put(image, kPresentAt, Get<uint64_t>(image, kPresentAt) | parts);
}

// ---- the kinds ----

zx_thread_state_fp_regs_t ShowFp(std::span<const std::byte> image) {
  auto fp = Get<zx_thread_state_fp_regs_t>(image, 0);
  fp.reserved = 0;
  fp.padding = 0;  // mxcsr stands here
  return fp;
}

void TakeFp(zx_thread_state_fp_regs_t fp, std::span<std::byte> image) {
  // What it has of mxcsr stays.
  fp.padding = Get<uint64_t>(image, kMxcsrAt);
  fp.reserved = 0;
  Put(image, 0, fp);
  MarkPresent(image, kX87Part);
}

zx_thread_state_vector_regs_t ShowVectors(std::span<const std::byte> image) {
  zx_thread_state_vector_regs_t vectors{};
  const size_t avx = AvxAt(image);
  using Half = std::array<uint64_t, 2>;
  for (size_t i = 0; i < kVectors; ++i) {
    const auto low = Get<Half>(image, kXmmAt + i * kHalfBytes);
    const Half high = avx == 0 ? Half{} : Get<Half>(image, avx + i * kHalfBytes);
    std::copy(low.begin(), low.end(), vectors.zmm[i].v);
    std::copy(high.begin(), high.end(), vectors.zmm[i].v + low.size());
  }
  vectors.mxcsr = Get<uint32_t>(image, kMxcsrAt);
  return vectors;
}

std::optional<std::string> TakeVectors(const zx_thread_state_vector_regs_t& vectors, std::span<std::byte> image) {
  const auto own_mask = Get<uint32_t>(image, kMxcsrMaskAt);
  const uint32_t mask = own_mask == 0 ? kUsualMxcsrMask : own_mask;
  if ((vectors.mxcsr & ~mask) != 0) {
    return fmt::format("mxcsr {:#x} has bits that this machine does not know: it has {:#x}", vectors.mxcsr, mask);
  }
  const size_t avx = AvxAt(image);
  for (size_t i = 0; i < kVectors; ++i) {
    const auto& v = vectors.zmm[i].v;
    Put(image, kXmmAt + i * kHalfBytes, std::array{v[0], v[1]});
    if (avx != 0) Put(image, avx + i * kHalfBytes, std::array{v[2], v[3]});
  }
  Put(image, kMxcsrAt, vectors.mxcsr);
  MarkPresent(image, avx == 0 ? kSsePart : kSsePart | kAvxPart);
  return std::nullopt;
}

// ---- debug registers ----

constexpr uint64_t kDr6Always = 0xffff0ff0;
constexpr uint64_t kDr6User = 0xe00f;  // B0 to B3, BD, BS, BT
constexpr uint64_t kDr7Always = 0x700;
constexpr uint64_t kDr7Enables = 0xff;
constexpr uint64_t kDr7User = 0xffff00ff;
static_assert(kUserWords.size() * sizeof(uint64_t) == sizeof(zx_thread_state_debug_regs_t));

std::optional<std::string> TakeDebug(zx_thread_state_debug_regs_t regs, std::span<std::byte> words) {
  for (size_t i = 0; i < std::size(regs.dr); ++i) {
    const uint64_t address = regs.dr[i];
    if (IsCanonical(address) && !IsKernelHalf(address)) continue;
    return fmt::format("dr{} {:#x} is not an address of a program", i, address);
  }
  regs.dr6 = (regs.dr6 & kDr6User) | kDr6Always;
  regs.dr7 &= kDr7User;
  Put(words, 0, regs);
  return std::nullopt;
}

zx_thread_state_debug_regs_t ShowDebug(std::span<const std::byte> words) {
  auto regs = Get<zx_thread_state_debug_regs_t>(words, 0);
  regs.dr6 = (regs.dr6 & kDr6User) | kDr6Always;
  regs.dr7 = (regs.dr7 & kDr7User) | kDr7Always;
  return regs;
}

}  // namespace

const StateLayout* FindState(uint32_t kind) { return FindState(kStates, kind); }

void ShowStepFlag(Registers& registers) { registers.eflags |= kTrapFlag; }

bool TakeStepFlag(Registers& registers) {
  const bool set = (registers.eflags & kTrapFlag) != 0;
  registers.eflags &= ~kTrapFlag;
  return set;
}

std::optional<std::string> ShowState(const StateLayout& layout, const StateSets& sets, std::span<std::byte> out) {
  if (layout.kind == ZX_THREAD_STATE_FP_REGS) Put(out, 0, ShowFp(sets[0]));
  if (layout.kind == ZX_THREAD_STATE_VECTOR_REGS) Put(out, 0, ShowVectors(sets[0]));
  if (layout.kind == ZX_THREAD_STATE_DEBUG_REGS) Put(out, 0, ShowDebug(sets[0]));
  return std::nullopt;
}

void ResetDebugStatus(std::span<std::byte> out) { Put(out, offsetof(zx_thread_state_debug_regs_t, dr6), kDr6Always); }

std::optional<std::string> TakeState(const StateLayout& layout, std::span<const std::byte> in, const StateSets& sets) {
  switch (layout.kind) {
    case ZX_THREAD_STATE_FP_REGS:
      TakeFp(Get<zx_thread_state_fp_regs_t>(in), sets[0]);
      return std::nullopt;
    case ZX_THREAD_STATE_VECTOR_REGS:
      return TakeVectors(Get<zx_thread_state_vector_regs_t>(in), sets[0]);
    default:
      return TakeDebug(Get<zx_thread_state_debug_regs_t>(in), sets[0]);
  }
}

bool IsStep(int signo, int code, int pid) {
  // What ptrace_notify() gives as a code is the number of the signal.
  constexpr int kNotified = SIGTRAP;
  return signo == SIGTRAP && pid == 0 && (code == TRAP_BRKPT || code == kNotified);
}

bool IsArmed(const StateSets& sets) { return (Get<zx_thread_state_debug_regs_t>(sets[0]).dr7 & kDr7Enables) != 0; }

}  // namespace zxctl::arch
