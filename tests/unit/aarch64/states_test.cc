// arm64's debug and vector registers as Zircon has them, from made-up register sets. Runs on every machine.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "arch/arch.h"

namespace zxctl::arch {
namespace {

using DebugRegs = zx_arm64_thread_state_debug_regs_t;
using VectorRegs = zx_arm64_thread_state_vector_regs_t;
using Set = std::vector<std::byte>;

constexpr size_t kPairsAt = 8;
constexpr size_t kPairBytes = 16;
constexpr size_t kMaxPairs = 16;
constexpr uint32_t kEnabled = 1;

template <typename T>
void SetAt(Set& set, size_t offset, T value) {
  std::memcpy(set.data() + offset, &value, sizeof(value));
}
template <typename T>
T At(const Set& set, size_t offset) {
  T value;
  std::memcpy(&value, set.data() + offset, sizeof(value));
  return value;
}

// As the kernel gives it: how many there are, next to the version of the debug architecture, and room for sixteen.
Set MakeDebugSet(uint32_t count) {
  Set set(kPairsAt + kMaxPairs * kPairBytes);
  SetAt<uint32_t>(set, 0, 0x600 | count);
  return set;
}

struct DebugSets {
  Set breakpoints = MakeDebugSet(6);
  Set watchpoints = MakeDebugSet(4);

  std::optional<std::string> Take(const DebugRegs& regs) {
    return TakeState(*FindState(ZX_THREAD_STATE_DEBUG_REGS), std::as_bytes(std::span(&regs, 1)),
                     {breakpoints, watchpoints});
  }
  DebugRegs Show() {
    DebugRegs regs{};
    EXPECT_EQ(ShowState(*FindState(ZX_THREAD_STATE_DEBUG_REGS), {breakpoints, watchpoints},
                        std::as_writable_bytes(std::span(&regs, 1))),
              std::nullopt);
    return regs;
  }
  [[nodiscard]] bool Armed() { return IsArmed({breakpoints, watchpoints}); }
};

TEST(Aarch64Debug, OfABreakpointsControlOnlyTheEnableIsTaken) {
  for (int bit = 0; bit < 32; ++bit) {
    DebugSets sets;
    DebugRegs regs{};
    regs.hw_bps[2] = {.dbgbvr = 0x1000, .dbgbcr = 1U << bit, .reserved = 0};
    ASSERT_EQ(sets.Take(regs), std::nullopt);
    EXPECT_EQ(sets.Show().hw_bps[2].dbgbcr, bit == 0 ? 0x1e5U : 0U) << bit;
    EXPECT_EQ(sets.Show().hw_bps[2].dbgbvr, 0x1000U);
    EXPECT_EQ(sets.Armed(), bit == 0) << bit;
  }
}

TEST(Aarch64Debug, OfAWatchpointsControlTheEnableKindAndBytesAreTaken) {
  constexpr uint32_t kTaken = 0x1ff9;
  constexpr uint32_t kUserMode = 4;
  for (int bit = 0; bit < 32; ++bit) {
    DebugSets sets;
    DebugRegs regs{};
    regs.hw_wps[3] = {.dbgwvr = 0x1000, .dbgwcr = kEnabled | 1U << bit, .reserved = 0};
    ASSERT_EQ(sets.Take(regs), std::nullopt);
    EXPECT_EQ(sets.Show().hw_wps[3].dbgwcr, ((kEnabled | 1U << bit) & kTaken) | kUserMode) << bit;
    EXPECT_TRUE(sets.Armed()) << bit;
  }
}

TEST(Aarch64Debug, AWatchpointThatIsNotEnabledReadsZero) {
  DebugSets sets;
  DebugRegs regs{};
  regs.hw_wps[0] = {.dbgwvr = 0x1000, .dbgwcr = ~kEnabled, .reserved = 0};
  ASSERT_EQ(sets.Take(regs), std::nullopt);
  EXPECT_EQ(sets.Show().hw_wps[0].dbgwcr, 0U);
  EXPECT_EQ(sets.Show().hw_wps[0].dbgwvr, 0x1000U);
  EXPECT_EQ(At<uint32_t>(sets.watchpoints, kPairsAt + 8), 0U);
  EXPECT_FALSE(sets.Armed());
  // Neither does one of the kernel's.
  SetAt<uint32_t>(sets.watchpoints, kPairsAt + 8, 0x1ffc);
  EXPECT_EQ(sets.Show().hw_wps[0].dbgwcr, 0U);
}

TEST(Aarch64Debug, EachIsAtItsPlaceAndTheCountsAreTheMachines) {
  DebugSets sets;
  DebugRegs regs{};
  for (size_t i = 0; i < kMaxPairs; ++i) {
    regs.hw_bps[i] = {.dbgbvr = 0x1000 + i * 4, .dbgbcr = kEnabled, .reserved = 0};
    regs.hw_wps[i] = {.dbgwvr = 0x2000 + i * 8, .dbgwcr = kEnabled | static_cast<uint32_t>(i) << 5, .reserved = 0};
  }
  regs.hw_bps_count = regs.hw_wps_count = 16;
  ASSERT_EQ(sets.Take(regs), std::nullopt);
  const DebugRegs shown = sets.Show();
  EXPECT_EQ(shown.hw_bps_count, 6);
  EXPECT_EQ(shown.hw_wps_count, 4);
  for (size_t i = 0; i < kMaxPairs; ++i) {
    EXPECT_EQ(shown.hw_bps[i].dbgbvr, i < 6 ? 0x1000 + i * 4 : 0) << i;
    EXPECT_EQ(shown.hw_bps[i].dbgbcr, i < 6 ? 0x1e5U : 0U) << i;
    EXPECT_EQ(shown.hw_wps[i].dbgwvr, i < 4 ? 0x2000 + i * 8 : 0) << i;
    EXPECT_EQ(shown.hw_wps[i].dbgwcr, i < 4 ? (5U | i << 5) : 0U) << i;
  }
  EXPECT_EQ(At<uint64_t>(sets.breakpoints, kPairsAt + 5 * kPairBytes), 0x1014U);
  EXPECT_EQ(At<uint64_t>(sets.breakpoints, kPairsAt + 6 * kPairBytes), 0U) << "there is no such one";
}

TEST(Aarch64Debug, AnAddressOfTheKernelIsNamedAndNothingIsTaken) {
  constexpr uint64_t kKernelAddress = 0xffff'0000'0000'0000;
  for (const bool watches : {false, true}) {
    const size_t count = watches ? 4 : 6;
    for (size_t i = 0; i < kMaxPairs; ++i) {
      DebugSets sets;
      DebugRegs regs{};
      regs.hw_bps[0] = {.dbgbvr = 0x1000, .dbgbcr = kEnabled, .reserved = 0};
      (watches ? regs.hw_wps[i].dbgwvr : regs.hw_bps[i].dbgbvr) = kKernelAddress;
      const auto refused = sets.Take(regs);
      ASSERT_EQ(refused.has_value(), i < count) << i;
      if (!refused) continue;
      const std::string name = (watches ? "dbgwvr" : "dbgbvr") + std::to_string(i) + " 0xffff000000000000";
      EXPECT_TRUE(refused->starts_with(name)) << *refused;
      EXPECT_EQ(sets.breakpoints, MakeDebugSet(6)) << i;
      EXPECT_EQ(sets.watchpoints, MakeDebugSet(4)) << i;
    }
  }
}

TEST(Aarch64Debug, AMachineWithoutThemHasNone) {
  DebugSets sets{.breakpoints = {}, .watchpoints = {}};
  DebugRegs regs{};
  regs.hw_bps[0] = {.dbgbvr = ~uint64_t{0}, .dbgbcr = kEnabled, .reserved = 0};
  EXPECT_EQ(sets.Take(regs), std::nullopt);
  const DebugRegs shown = sets.Show();
  const DebugRegs none{};
  EXPECT_EQ(std::memcmp(&shown, &none, sizeof(none)), 0);
  EXPECT_FALSE(sets.Armed());
}

// v0 to v31, fpsr, fpcr; the record has the last two in front, and the other way round.
TEST(Aarch64Vectors, AreTakenAsTheyAreAndShownAgain) {
  VectorRegs regs{};
  for (size_t i = 0; i < 32; ++i) regs.v[i] = {.low = 100 + i, .high = 200 + i};
  regs.fpcr = ~0U;
  regs.fpsr = 0xf800009f;
  Set set(528, std::byte{0x55});
  const arch::StateLayout& layout = *FindState(ZX_THREAD_STATE_VECTOR_REGS);
  ASSERT_EQ(TakeState(layout, std::as_bytes(std::span(&regs, 1)), {set}), std::nullopt);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(At<uint64_t>(set, 16 * i), 100 + i);
    EXPECT_EQ(At<uint64_t>(set, 16 * i + 8), 200 + i);
  }
  EXPECT_EQ(At<uint32_t>(set, 512), 0xf800009fU);
  EXPECT_EQ(At<uint32_t>(set, 516), ~0U);
  EXPECT_EQ(At<uint64_t>(set, 520), 0x5555555555555555U);
  VectorRegs shown{};
  ASSERT_EQ(ShowState(layout, {set}, std::as_writable_bytes(std::span(&shown, 1))), std::nullopt);
  EXPECT_EQ(std::memcmp(&shown, &regs, sizeof(regs)), 0);
}

}  // namespace
}  // namespace zxctl::arch
