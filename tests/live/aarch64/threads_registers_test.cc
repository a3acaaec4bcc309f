// Every kind of registers of a real thread: what is read is what it has, what is written is what it goes on with, what cannot be
// is refused and changes nothing.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "live/debug_registers_test.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kKernelAddress = 0xffff'0000'0000'0000;
constexpr size_t kVectorBytes = 16;
constexpr size_t kVectors = 32;
constexpr uint32_t kBreakpoint = 0x1e5;
constexpr uint32_t kEnabled = 1;
// All eight bytes, in user mode.
constexpr uint32_t kLoads = 0xff << 5 | 1 << 3 | 2 << 1 | kEnabled;
constexpr uint32_t kStores = 0xff << 5 | 2 << 3 | 2 << 1 | kEnabled;

// What it had after its breakpoint; target_registers knows the order.
struct Found {
  uint8_t v[kVectors][kVectorBytes];
  uint64_t fpsr, fpcr;
};

class Registers : public DebugRegistersTest {
 protected:
  Found Finish() {
    PassBreakpoint(thread_);
    return FinishAs<Found>();
  }
};

TEST_F(Registers, KindsThatThereAreNot) { ExpectNoSuchKinds(); }

TEST_F(Registers, SizesOfTheKinds) { ExpectSizes({{0, 280}, {2, 520}, {4, 536}, {5, 4}}); }

TEST_F(Registers, FloatingPointIsInTheVectors) {
  const zx::SuspendToken token = Suspend();
  FpRegs regs = {};
  EXPECT_EQ(thread_.read_state(ZX_THREAD_STATE_FP_REGS, &regs, sizeof(regs)), ZX_ERR_NOT_SUPPORTED);
  EXPECT_EQ(thread_.write_state(ZX_THREAD_STATE_FP_REGS, &regs, sizeof(regs)), ZX_ERR_NOT_SUPPORTED);
  EXPECT_NE(std::string(zxl_last_error()).find("VECTOR_REGS"), std::string::npos) << zxl_last_error();
}

// Of cpsr only N, Z, C and V; everything else is anything.
TEST_F(Registers, OfCpsrOnlyTheFlagsAreTaken) {
  StandAt("x");
  const GeneralRegs before = Read<GeneralRegs>(thread_);
  GeneralRegs all = before;
  all.cpsr = ~uint64_t{0};
  all.tpidr = ~uint64_t{0};
  all.sp = 1;
  EXPECT_EQ(Write(thread_, all), ZX_OK) << zxl_last_error();
  EXPECT_EQ(Read<GeneralRegs>(thread_).cpsr, 0xf0000000U);
  EXPECT_EQ(Read<GeneralRegs>(thread_).tpidr, ~uint64_t{0});
  EXPECT_EQ(Read<GeneralRegs>(thread_).sp, 1U);
  EXPECT_EQ(Write(thread_, before), ZX_OK) << zxl_last_error();
  static_cast<void>(Finish());
}

TEST_F(Registers, VectorsAreReadAndWritten) {
  StandAt("x");
  VectorRegs regs = Read<VectorRegs>(thread_);
  for (size_t i = 0; i < kVectors; ++i) {
    EXPECT_EQ(BytesOf(&regs.v[i], kVectorBytes), Pattern(i * kVectorBytes, kVectorBytes)) << i;
    regs.v[i] = {.low = i + 1, .high = ~i};
  }
  regs.fpsr = 0x1f;
  regs.fpcr = 0x400000;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const Found found = Finish();
  for (size_t i = 0; i < kVectors; ++i) {
    EXPECT_EQ(BytesOf(found.v[i], kVectorBytes), BytesOf(&regs.v[i], kVectorBytes)) << i;
  }
  EXPECT_EQ(found.fpsr, 0x1fU);
  EXPECT_EQ(found.fpcr, 0x400000U);
}

// ---- debug registers -------------------------------------------------------------------------------------------------

TEST_F(Registers, DebugRegistersReadBackWithTheirFixedBits) {
  const zx::SuspendToken token = Suspend();
  DebugRegs regs = Read<DebugRegs>(thread_);
  ASSERT_GE(regs.hw_bps_count, 2);
  ASSERT_GE(regs.hw_wps_count, 2);
  ASSERT_LT(regs.hw_bps_count, 16);
  regs.hw_bps[0] = {.dbgbvr = 0x1000, .dbgbcr = ~0U, .reserved = 0};
  regs.hw_bps[1] = {.dbgbvr = 0x2000, .dbgbcr = ~kEnabled, .reserved = 0};
  regs.hw_bps[15] = {.dbgbvr = kKernelAddress, .dbgbcr = kEnabled, .reserved = 0};
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const DebugRegs after = Read<DebugRegs>(thread_);
  EXPECT_EQ(after.hw_bps[0].dbgbvr, 0x1000U);
  EXPECT_EQ(after.hw_bps[0].dbgbcr, kBreakpoint);
  EXPECT_EQ(after.hw_bps[1].dbgbcr, 0U);
  EXPECT_EQ(after.hw_bps[15].dbgbvr, 0U) << "the machine does not have it";
}

// The enable, the kind and the bytes; in user mode.
TEST_F(Registers, OfAWatchpointsControlOnlyAProgramsBitsAreTaken) {
  const zx::SuspendToken token = Suspend();
  DebugRegs regs = Read<DebugRegs>(thread_);
  ASSERT_GE(regs.hw_wps_count, 2);
  regs.hw_wps[0] = {.dbgwvr = 0x1000, .dbgwcr = ~0U, .reserved = 0};
  regs.hw_wps[1] = {.dbgwvr = 0x2000, .dbgwcr = ~kEnabled, .reserved = 0};
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const DebugRegs after = Read<DebugRegs>(thread_);
  EXPECT_EQ(after.hw_wps[0].dbgwvr, 0x1000U);
  EXPECT_EQ(after.hw_wps[0].dbgwcr, 0x1ffdU);
  EXPECT_EQ(after.hw_wps[1].dbgwcr, 0U);
}

TEST_F(Registers, DebugAddressesAreAProgramsAndAllOrNothing) {
  const zx::SuspendToken token = Suspend();
  DebugRegs regs = Read<DebugRegs>(thread_);
  regs.hw_bps[0] = {.dbgbvr = 0x1000, .dbgbcr = kEnabled, .reserved = 0};
  regs.hw_wps[1] = {.dbgwvr = kKernelAddress, .dbgwcr = kStores, .reserved = 0};
  ExpectRefused(Write(thread_, regs), "dbgwvr1 0xffff000000000000");
  EXPECT_EQ(Read<DebugRegs>(thread_).hw_bps[0].dbgbvr, 0U);
}

TEST_F(Registers, AWatchpointIsAnException) {
  DebugRegs regs = {};
  regs.hw_wps[0] = {.dbgwvr = at("watched"), .dbgwcr = kStores, .reserved = 0};
  Arm(regs);
  Tell("r");
  ExpectLine("read 0");
  Tell("w");
  Await(ZX_EXCP_HW_BREAKPOINT);
  // Before the store: it is tried again, and would stop again.
  EXPECT_EQ(Write(thread_, DebugRegs{}), ZX_OK) << zxl_last_error();
  Resume();
  ExpectLine("watched 1");
  regs.hw_wps[0].dbgwcr = kLoads;
  Arm(regs);
  Tell("r");
  Await(ZX_EXCP_HW_BREAKPOINT);
  EXPECT_EQ(Write(thread_, DebugRegs{}), ZX_OK) << zxl_last_error();
  Resume();
  ExpectLine("read 1");
}

TEST_F(Registers, AHardwareBreakpointIsAnException) {
  DebugRegs regs = {};
  regs.hw_bps[1] = {.dbgbvr = at("called"), .dbgbcr = kEnabled, .reserved = 0};
  for (int i = 1; i <= 2; ++i) {
    Arm(regs);
    Tell("c");
    Await(ZX_EXCP_HW_BREAKPOINT);
    EXPECT_EQ(Read<GeneralRegs>(thread_).pc, at("called"));
    EXPECT_EQ(Write(thread_, DebugRegs{}), ZX_OK) << zxl_last_error();
    Resume();
    ExpectLine("calls " + std::to_string(i));
  }
}

class BreakpointAtItsCall : public Registers {
 protected:
  DebugRegs AtItsCall() {
    const zx::SuspendToken token = Suspend();
    const uint64_t pc = Read<GeneralRegs>(thread_).pc;
    DebugRegs regs = {};
    // At the call, or behind it.
    regs.hw_bps[0] = {.dbgbvr = pc - 4, .dbgbcr = kEnabled, .reserved = 0};
    regs.hw_bps[1] = {.dbgbvr = pc, .dbgbcr = kEnabled, .reserved = 0};
    return regs;
  }
};

TEST_F(BreakpointAtItsCall, DoesNotStopOneThatIsMadeForUs) { ExpectLoansAreNotStopped(AtItsCall()); }

TEST_F(BreakpointAtItsCall, DoesNotKeepItFromBeingKilled) { ExpectIsKilled(AtItsCall()); }

TEST_F(Registers, AProgramThatIsLetGoIsNotArmedAnyMore) {
  DebugRegs regs = {};
  regs.hw_bps[0] = {.dbgbvr = at("called"), .dbgbcr = kEnabled, .reserved = 0};
  Arm(regs);
  EXPECT_EQ(process_.detach(), ZX_OK) << zxl_last_error();
  Tell("c");
  ExpectLine("calls 1");
}

// ---- steps -----------------------------------------------------------------------------------------------------------

TEST_F(Registers, ASingleStepIsZeroOrOne) {
  const zx::SuspendToken token = Suspend();
  for (const SingleStep step : {2U, ~0U}) ExpectRefused(Write(thread_, step), "single step");
  EXPECT_EQ(Read<SingleStep>(thread_), 0U);
}

// Each instruction is one, the call of the kernel as well.
TEST_F(Registers, EachStepIsAnException) {
  StandAt("s");
  PassBreakpoint(thread_);
  EXPECT_EQ(Read<GeneralRegs>(thread_).pc, at("first_step"));
  EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK) << zxl_last_error();
  EXPECT_EQ(Read<SingleStep>(thread_), 1U);
  for (uint64_t i = 1; i <= 6; ++i) {
    Resume();
    Await(ZX_EXCP_HW_BREAKPOINT);
    EXPECT_EQ(Read<GeneralRegs>(thread_).pc, at("first_step") + 4 * i);
  }
  EXPECT_EQ(Read<GeneralRegs>(thread_).r[0], static_cast<uint64_t>(child_.pid())) << "what getpid has returned";
  EXPECT_EQ(Write(thread_, SingleStep{0}), ZX_OK);
  Resume();
  ExpectLine("stepped");
}

TEST_F(Registers, ASteppedProgramThatIsLetGoLives) {
  StandAt("s");
  PassBreakpoint(thread_);
  EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK) << zxl_last_error();
  Resume();
  Await(ZX_EXCP_HW_BREAKPOINT);
  EXPECT_EQ(process_.detach(), ZX_OK) << zxl_last_error();
  ExpectLine("stepped");
}

}  // namespace
}  // namespace zxctl::test
