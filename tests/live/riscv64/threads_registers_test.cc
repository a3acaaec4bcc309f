// Every kind of registers of a real thread: what is read is what it has, what is written is what it goes on with, what cannot be
// is refused and changes nothing, and of what Linux does not have on this machine it is said in words.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "live/registers_test.h"

namespace zxctl::test {
namespace {

constexpr size_t kFloats = 32;
// What is above a number of 64 bits.
constexpr uint64_t kBoxed = ~uint64_t{0};

// What it had after its breakpoint; target_registers knows the order.
struct Found {
  uint64_t f[kFloats];
  uint64_t fcsr;
};

class Registers : public RegistersTest {
 protected:
  Found Finish() {
    PassBreakpoint(thread_);
    return FinishAs<Found>();
  }
};

TEST_F(Registers, KindsThatThereAreNot) { ExpectNoSuchKinds(); }

TEST_F(Registers, SizesOfTheKinds) { ExpectSizes({{0, 256}, {1, 520}}); }

// Neither steps nor hardware breakpoints: the kernel has no way to ask for them.
TEST_F(Registers, OfKindsThatThereAreNotItIsSaidWhy) {
  const zx::SuspendToken token = Suspend();
  const std::map<uint32_t, std::string> reasons = {{ZX_THREAD_STATE_VECTOR_REGS, "vector registers"},
                                                   {ZX_THREAD_STATE_DEBUG_REGS, "no debug registers"},
                                                   {ZX_THREAD_STATE_SINGLE_STEP, "cannot step"}};
  for (const auto& [kind, why] : reasons) {
    std::vector<uint8_t> buffer(4096);
    EXPECT_EQ(thread_.read_state(kind, buffer.data(), buffer.size()), ZX_ERR_NOT_SUPPORTED) << kind;
    EXPECT_NE(std::string(zxl_last_error()).find(why), std::string::npos) << zxl_last_error();
    EXPECT_EQ(thread_.write_state(kind, buffer.data(), buffer.size()), ZX_ERR_NOT_SUPPORTED) << kind;
    EXPECT_NE(std::string(zxl_last_error()).find(why), std::string::npos) << zxl_last_error();
  }
}

TEST_F(Registers, GeneralOnesTakeAnyValue) {
  StandAt("x");
  const GeneralRegs before = Read<GeneralRegs>(thread_);
  EXPECT_EQ(before.t0, at("pattern"));
  GeneralRegs all = before;
  all.tp = ~uint64_t{0};
  all.gp = uint64_t{1} << 63;
  all.sp = 1;
  EXPECT_EQ(Write(thread_, all), ZX_OK) << zxl_last_error();
  const GeneralRegs after = Read<GeneralRegs>(thread_);
  EXPECT_EQ(std::memcmp(&after, &all, sizeof(all)), 0);
  EXPECT_EQ(Write(thread_, before), ZX_OK) << zxl_last_error();
  static_cast<void>(Finish());
}

TEST_F(Registers, FloatingPointIsReadAndWritten) {
  StandAt("x");
  FpRegs regs = Read<FpRegs>(thread_);
  for (size_t i = 0; i < kFloats; ++i) {
    EXPECT_EQ(BytesOf(&regs.q[i].low, sizeof(uint64_t)), Pattern(i * sizeof(uint64_t), sizeof(uint64_t))) << i;
    EXPECT_EQ(regs.q[i].high, kBoxed) << i;
    regs.q[i].low = ~i;
  }
  EXPECT_EQ(regs.fcsr, 0U);
  // Rounds towards zero, and each exception has been.
  regs.fcsr = 0x3f;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const Found found = Finish();
  for (size_t i = 0; i < kFloats; ++i) EXPECT_EQ(found.f[i], ~i) << i;
  EXPECT_EQ(found.fcsr, 0x3fU);
}

TEST_F(Registers, AHighHalfThatThereIsNotChangesNothing) {
  StandAt("x");
  const FpRegs before = Read<FpRegs>(thread_);
  FpRegs wrong = before;
  wrong.q[0].low = 1;
  wrong.q[31].high = 0;
  ExpectRefused(Write(thread_, wrong), "q[31].high is 0");
  const FpRegs after = Read<FpRegs>(thread_);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  static_cast<void>(Finish());
}

}  // namespace
}  // namespace zxctl::test
