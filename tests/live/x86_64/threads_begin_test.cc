// What a thread begins with that only this machine has: selectors, and all that xsave stores.
#include <cpuid.h>

#include <algorithm>
#include <array>

#include "live/started_program.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

constexpr size_t kHeader = 512;  // of 64 bytes, after x87 and SSE
constexpr size_t kMxcsr = 24;
constexpr size_t kAvx = 576;
constexpr uint32_t kInitialPkru = 0x55555554;

// What target_start's recorder has stored.
struct Recorded {
  explicit Recorded(const StartedProgram& program) {
    size_t actual = 0;
    EXPECT_EQ(program.process.read_memory(program.at("extended"), extended.data(), extended.size(), &actual), ZX_OK);
    EXPECT_EQ(program.process.read_memory(program.at("selectors"), selectors.data(), sizeof(selectors), &actual),
              ZX_OK);
  }
  template <typename T>
  [[nodiscard]] T at(size_t offset) const {
    T value = {};
    std::memcpy(&value, extended.data() + offset, sizeof(value));
    return value;
  }
  void Clear(size_t offset, size_t size) { std::fill_n(extended.begin() + static_cast<ptrdiff_t>(offset), size, 0); }

  std::array<uint8_t, 4096> extended = {};
  std::array<uint16_t, 6> selectors = {};  // ds, es, fs, gs, cs, ss
};

bool HasXsave() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_OSXSAVE) != 0;
}

// Where PKRU is in it; 0 where there is none.
size_t PkruOffset() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_OSPKE) == 0) return 0;
  return __get_cpuid_count(0xd, 9, &eax, &ebx, &ecx, &edx) != 0 ? ebx : 0;
}

TEST(StartedThread, BeginsWithTheProcessorsInitialState) {
  StartedProgram program("unusual");
  ASSERT_TRUE(WaitUntil([&] { return program.Ask().counter == 1; }));
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("recorder"), program.Stack(), 1, 2), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  Recorded made(program);
  EXPECT_EQ(made.selectors, (std::array<uint16_t, 6>{0, 0, 0, 0, 0x33, 0x2b}));
  if (HasXsave()) {
    EXPECT_EQ(made.at<uint16_t>(0), 0x37f);
    EXPECT_EQ(made.at<uint32_t>(kMxcsr), 0x1f80U);
    made.Clear(0, sizeof(uint16_t));
    made.Clear(kMxcsr, 2 * sizeof(uint32_t));  // and which bits it has
    made.Clear(kHeader, kAvx - kHeader);
    if (const size_t pkru = PkruOffset(); pkru != 0) {
      EXPECT_EQ(made.at<uint32_t>(pkru), kInitialPkru);
      made.Clear(pkru, sizeof(kInitialPkru));
    }
    const auto other = std::find_if(made.extended.begin(), made.extended.end(), [](uint8_t byte) { return byte != 0; });
    EXPECT_EQ(other - made.extended.begin(), static_cast<ptrdiff_t>(made.extended.size())) << "not 0 there";
  }
  // Its maker did not, and has what it had.
  const zx::Thread leader = LeaderOf(program);
  program.child().Send("s");
  AwaitExit(leader);
  const Recorded maker(program);
  EXPECT_EQ(maker.selectors, (std::array<uint16_t, 6>{0x2b, 0x2b, 0x2b, 0x2b, 0x33, 0x2b}));
  if (HasXsave()) {
    EXPECT_EQ(maker.at<uint16_t>(0), 0x27f);
    EXPECT_EQ(maker.at<uint32_t>(kMxcsr), 0xffbfU);
    EXPECT_NE(maker.at<uint64_t>(32), 0U) << "st0";
    EXPECT_EQ(maker.at<uint64_t>(160), ~uint64_t{0}) << "xmm0";
    if (__builtin_cpu_supports("avx")) {
      EXPECT_EQ(maker.at<uint64_t>(kAvx), ~uint64_t{0}) << "ymm0";
    }
  }
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
