// Every kind of registers of a real thread: what is read is what it has, what is written is what it goes on with, what cannot be
// is refused and changes nothing.
#include <signal.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "live/debug_registers_test.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kHalf = uint64_t{1} << 47;
constexpr uint64_t kTrapFlag = 0x100;
constexpr size_t kYmmBytes = 32;
constexpr size_t kVectors = 16;

// What it had after its breakpoint; target_registers knows the order.
struct Found {
  struct {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96];
  } fx;
  uint8_t ymm[kVectors][kYmmBytes];
  uint8_t zmm0[64];
  uint8_t zmm31[64];
  uint64_t mask;
};
static_assert(sizeof(Found) == 1160);

class Registers : public DebugRegistersTest {
 protected:
  Found Finish() { return FinishAs<Found>(); }
  [[nodiscard]] size_t VectorBytes() const { return at("avx") != 0 ? 32 : 16; }
};

long double NumberIn(const zx_thread_state_register128_t& st) {
  long double number = 0;
  std::memcpy(&number, &st, 10);
  return number;
}

// ---- kinds and sizes -------------------------------------------------------------------------------------------------

TEST_F(Registers, KindsThatThereAreNot) { ExpectNoSuchKinds(); }

TEST_F(Registers, SizesOfTheKinds) { ExpectSizes({{0, 160}, {1, 160}, {2, 2120}, {4, 48}, {5, 4}}); }

TEST_F(Registers, OfARunningThreadAreNobodysToSee) {
  std::vector<uint8_t> buffer(4096);
  for (const uint32_t kind : {0U, 1U, 2U, 4U, 5U}) {
    EXPECT_EQ(thread_.read_state(kind, buffer.data(), buffer.size()), ZX_ERR_BAD_STATE) << kind;
    EXPECT_EQ(thread_.write_state(kind, buffer.data(), buffer.size()), ZX_ERR_BAD_STATE) << kind;
  }
}

// ---- general ---------------------------------------------------------------------------------------------------------

TEST_F(Registers, TheFirstGeneralOneThatCannotBeIsNamedAndNothingChanges) {
  StandAt("x");
  const GeneralRegs before = Read<GeneralRegs>(thread_);
  GeneralRegs wrong = before;
  wrong.rbx = 1;
  wrong.rip = kHalf;
  ExpectRefused(Write(thread_, wrong), "rip 0x800000000000");
  wrong.gs_base = kHalf;
  ExpectRefused(Write(thread_, wrong), "gs_base 0x800000000000");
  wrong.fs_base = uint64_t{1} << 63;
  ExpectRefused(Write(thread_, wrong), "fs_base 0x8000000000000000");
  const GeneralRegs after = Read<GeneralRegs>(thread_);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  static_cast<void>(Finish());
}

TEST_F(Registers, AnyStackPointerCanBe) {
  StandAt("x");
  const GeneralRegs before = Read<GeneralRegs>(thread_);
  for (const uint64_t rsp : {uint64_t{0}, uint64_t{1}, kHalf, ~uint64_t{0}}) {
    GeneralRegs regs = before;
    regs.rsp = rsp;
    EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
    EXPECT_EQ(Read<GeneralRegs>(thread_).rsp, rsp);
  }
  EXPECT_EQ(Write(thread_, before), ZX_OK);
  static_cast<void>(Finish());
}

// CF PF AF ZF SF TF DF OF NT AC are a program's; the others keep what they have.
TEST_F(Registers, OfRflagsOnlyAProgramsOwnAreTaken) {
  StandAt("x");
  const GeneralRegs before = Read<GeneralRegs>(thread_);
  GeneralRegs all = before;
  all.rflags = ~uint64_t{0};
  EXPECT_EQ(Write(thread_, all), ZX_OK) << zxl_last_error();
  constexpr uint64_t kTaken = 0x44dd5 | 0x100;
  EXPECT_EQ(Read<GeneralRegs>(thread_).rflags, before.rflags | kTaken);
  GeneralRegs none = before;
  none.rflags = 0;
  EXPECT_EQ(Write(thread_, none), ZX_OK);
  EXPECT_EQ(Read<GeneralRegs>(thread_).rflags, before.rflags & ~kTaken);
  EXPECT_EQ(Write(thread_, before), ZX_OK);
  static_cast<void>(Finish());
}

// The kernel refuses these through ptrace; code can load them.
// It waits in a call, which goes on: what was changed is what it was.
TEST_F(Registers, WhatIsPutBackGivesUpNoCall) {
  for (const bool moves : {true, false}) {
    const zx::SuspendToken token = Suspend();
    const auto before = Read<GeneralRegs>(thread_);
    GeneralRegs changed = before;
    (moves ? changed.rip : changed.rax) += 1;
    ASSERT_EQ(Write(thread_, changed), ZX_OK) << zxl_last_error();
    changed.rbx ^= 1;
    ASSERT_EQ(Write(thread_, changed), ZX_OK);
    ASSERT_EQ(Write(thread_, before), ZX_OK);
  }
  Tell("w");
  ExpectLine("watched 1");
}

TEST_F(Registers, BasesInTheKernelsHalfArrive) {
  for (const uint64_t base : {uint64_t{0x1000}, kHalf - 4096, kHalf - 1, ~uint64_t{0} << 47, ~uint64_t{0}}) {
    for (const bool fs : {true, false}) {
      StandAt("b");
      GeneralRegs regs = Read<GeneralRegs>(thread_);
      const uint64_t other = fs ? regs.gs_base : regs.fs_base;
      (fs ? regs.fs_base : regs.gs_base) = base;
      EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
      EXPECT_EQ(fs ? Read<GeneralRegs>(thread_).fs_base : Read<GeneralRegs>(thread_).gs_base, base);
      // A later write of others leaves it as it is.
      regs.rcx = 5;
      EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
      Resume();
      std::ostringstream line;
      line << std::hex << "bases " << (fs ? base : other) << " " << (fs ? other : base);
      ExpectLine(line.str());
    }
  }
}

TEST_F(Registers, ABaseInTheKernelsHalfArrivesInASuspendedCall) {
  {
    const zx::SuspendToken token = Suspend();
    GeneralRegs regs = Read<GeneralRegs>(thread_);
    regs.gs_base = ~uint64_t{0} << 47;
    EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  }
  // The call it was in goes on.
  StandAt("b");
  EXPECT_EQ(Read<GeneralRegs>(thread_).gs_base, ~uint64_t{0} << 47);
  GeneralRegs regs = Read<GeneralRegs>(thread_);
  regs.gs_base = 0;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  Resume();
  EXPECT_EQ(child_.ReadLine().value_or("").substr(0, 5), "bases");
}

// ---- floating point --------------------------------------------------------------------------------------------------

TEST_F(Registers, FloatingPointIsRead) {
  StandAt("x");
  const FpRegs regs = Read<FpRegs>(thread_);
  EXPECT_EQ(regs.fcw, 0x37f);
  EXPECT_EQ(regs.ftw, 0xc0);
  EXPECT_EQ(NumberIn(regs.st[0]), 1.0L);
  EXPECT_NEAR(static_cast<double>(NumberIn(regs.st[1])), M_PI, 1e-15);
  EXPECT_EQ(regs.reserved, 0);
  EXPECT_EQ(regs.padding, 0U);
  const Found found = Finish();
  EXPECT_EQ(std::memcmp(found.fx.st[1], &regs.st[1], 10), 0);
}

TEST_F(Registers, FloatingPointIsWritten) {
  StandAt("x");
  FpRegs regs = Read<FpRegs>(thread_);
  const long double number = -2.5L;
  std::memcpy(&regs.st[0], &number, 10);
  regs.fcw = 0x27f;
  regs.padding = ~uint64_t{0};
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const Found found = Finish();
  EXPECT_EQ(std::memcmp(found.fx.st[0], &number, 10), 0);
  EXPECT_EQ(found.fx.fcw, 0x27f);
  EXPECT_EQ(found.fx.mxcsr, 0x1f80U) << "it is none of these";
  EXPECT_EQ(BytesOf(found.fx.xmm[3], 16), Pattern(3 * kYmmBytes, 16)) << "nor are they";
}

// ---- vectors ---------------------------------------------------------------------------------------------------------

TEST_F(Registers, VectorsAreRead) {
  StandAt("x");
  const VectorRegs regs = Read<VectorRegs>(thread_);
  for (size_t i = 0; i < kVectors; ++i) {
    EXPECT_EQ(BytesOf(regs.zmm[i].v, VectorBytes()), Pattern(i * kYmmBytes, VectorBytes())) << i;
  }
  EXPECT_EQ(regs.mxcsr, 0x1f80U);
  static_cast<void>(Finish());
}

TEST_F(Registers, VectorsAreWritten) {
  StandAt("x");
  VectorRegs regs = Read<VectorRegs>(thread_);
  for (size_t i = 0; i < kVectors; ++i) {
    for (size_t j = 0; j < 4; ++j) regs.zmm[i].v[j] = 0x0101010101010101 * (i + 1) + j;
  }
  regs.mxcsr = 0x7f80;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const Found found = Finish();
  for (size_t i = 0; i < kVectors; ++i) {
    EXPECT_EQ(BytesOf(found.fx.xmm[i], 16), BytesOf(regs.zmm[i].v, 16)) << i;
    if (at("avx") == 0) continue;
    EXPECT_EQ(BytesOf(found.ymm[i], kYmmBytes), BytesOf(regs.zmm[i].v, kYmmBytes)) << i;
  }
  EXPECT_EQ(found.fx.mxcsr, 0x7f80U);
  EXPECT_EQ(found.fx.ftw, 0xc0) << "the x87 registers are others";
}

TEST_F(Registers, VectorsOfInitialValueCanBeWrittenToo) {
  const zx::SuspendToken token = Suspend();
  const VectorRegs before = Read<VectorRegs>(thread_);
  VectorRegs regs = before;
  for (size_t i = 0; i < kVectors; ++i) regs.zmm[i].v[3] = at("avx") != 0 ? i + 1 : 0;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const VectorRegs after = Read<VectorRegs>(thread_);
  EXPECT_EQ(std::memcmp(&after, &regs, sizeof(regs)), 0);
  EXPECT_EQ(Write(thread_, before), ZX_OK);
}

TEST_F(Registers, AnMxcsrThatCannotBeChangesNothing) {
  StandAt("x");
  const VectorRegs before = Read<VectorRegs>(thread_);
  VectorRegs regs = before;
  regs.zmm[0].v[0] = 99;
  regs.mxcsr = 0x10000;
  ExpectRefused(Write(thread_, regs), "mxcsr 0x10000");
  const VectorRegs after = Read<VectorRegs>(thread_);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  static_cast<void>(Finish());
}

// What AVX-512 adds is read as 0, ignored on writing, and there afterwards.
TEST_F(Registers, WhatAvx512AddsSurvivesARoundTrip) {
  if (at("avx512") == 0) GTEST_SKIP() << "this machine has no AVX-512";
  StandAt("x");
  VectorRegs regs = Read<VectorRegs>(thread_);
  for (size_t j = 4; j < 8; ++j) EXPECT_EQ(regs.zmm[0].v[j], 0U);
  for (size_t j = 0; j < 8; ++j) EXPECT_EQ(regs.zmm[31].v[j], 0U);
  EXPECT_EQ(regs.opmask[1], 0U);
  regs.zmm[0].v[7] = regs.zmm[31].v[0] = regs.opmask[1] = 77;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const Found found = Finish();
  EXPECT_EQ(BytesOf(found.zmm0, 32), Pattern(0, 32));
  EXPECT_EQ(BytesOf(found.zmm0 + 32, 32), Pattern(512, 32));
  EXPECT_EQ(BytesOf(found.zmm31, 64), Pattern(448, 64));
  EXPECT_EQ(found.mask, 0xa5a5U);
}

// ---- debug registers -------------------------------------------------------------------------------------------------

constexpr DebugRegs kNothingArmed = {.dr = {}, .dr6 = 0, .dr7 = 0};
constexpr uint64_t kLocal0 = 1;
constexpr uint64_t kWrites0 = 1 << 16;
constexpr uint64_t kReadsAndWrites0 = 3 << 16;
constexpr uint64_t kEightBytes0 = 2 << 18;

TEST_F(Registers, DebugRegistersReadBackWithTheirFixedBits) {
  const zx::SuspendToken token = Suspend();
  EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff0ff0U);
  EXPECT_EQ(Read<DebugRegs>(thread_).dr7, 0x700U);
  // All that can be set at once: four watchpoints of 4 bytes.
  const DebugRegs regs = {
      .dr = {at("watched"), 0x1000, 0x2000, 0x3000}, .dr6 = ~uint64_t{0xffff0ff0}, .dr7 = ~uint64_t{0}};
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const DebugRegs after = Read<DebugRegs>(thread_);
  EXPECT_EQ(BytesOf(after.dr, sizeof(after.dr)), BytesOf(regs.dr, sizeof(regs.dr)));
  EXPECT_EQ(after.dr6, 0xffffefffU);
  EXPECT_EQ(after.dr7, 0xffff07ffU);
  EXPECT_EQ(Write(thread_, kNothingArmed), ZX_OK) << zxl_last_error();
  EXPECT_EQ(Read<DebugRegs>(thread_).dr7, 0x700U);
  EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff0ff0U);
}

TEST_F(Registers, DebugAddressesAreAProgramsAndAllOrNothing) {
  const zx::SuspendToken token = Suspend();
  for (size_t i = 0; i < 4; ++i) {
    for (const uint64_t address : {kHalf, uint64_t{1} << 63, ~uint64_t{0}}) {
      DebugRegs regs = {.dr = {0x1000, 0x1000, 0x1000, 0x1000}, .dr6 = 0, .dr7 = kLocal0};
      regs.dr[i] = address;
      ExpectRefused(Write(thread_, regs), "dr" + std::to_string(i) + " 0x");
      EXPECT_EQ(Read<DebugRegs>(thread_).dr[(i + 1) % 4], 0U);
      EXPECT_EQ(Read<DebugRegs>(thread_).dr7, 0x700U);
    }
  }
  // The kernel watches no address that is not a multiple of the length.
  const DebugRegs odd = {
      .dr = {0x1000, 0x2001, 0, 0}, .dr6 = 0, .dr7 = kLocal0 | kWrites0 | (kLocal0 << 2) | 0x00d00000};
  ExpectRefused(Write(thread_, odd), "multiple of its length");
  EXPECT_EQ(Read<DebugRegs>(thread_).dr[0], 0U);
  EXPECT_EQ(Read<DebugRegs>(thread_).dr7, 0x700U);
}

TEST_F(Registers, AWatchpointIsAnException) {
  Arm({.dr = {at("watched"), 0, 0, 0}, .dr6 = 0, .dr7 = kLocal0 | kWrites0 | kEightBytes0});
  Tell("r");
  ExpectLine("read 0");
  for (int i = 1; i <= 3; ++i) {
    Tell("w");
    Await(ZX_EXCP_HW_BREAKPOINT);
    EXPECT_EQ(Read<DebugRegs>(thread_).dr6 & 0xf, 1U);
    zxl_exception_info_t info = {};
    EXPECT_EQ(thread_.get_exception(&info), ZX_OK);
    Resume();
    ExpectLine("watched " + std::to_string(i));
  }
  Arm({.dr = {at("watched"), 0, 0, 0}, .dr6 = 0, .dr7 = kLocal0 | kReadsAndWrites0 | kEightBytes0});
  Tell("r");
  Await(ZX_EXCP_HW_BREAKPOINT);
  Resume();
  ExpectLine("read 3");
  Arm(kNothingArmed);
  Tell("w");
  ExpectLine("watched 4");
}

TEST_F(Registers, AHardwareBreakpointIsAnException) {
  Arm({.dr = {0, 0, 0, at("called")}, .dr6 = 0, .dr7 = kLocal0 << 6});
  for (int i = 1; i <= 3; ++i) {
    Tell("c");
    Await(ZX_EXCP_HW_BREAKPOINT);
    EXPECT_EQ(Read<GeneralRegs>(thread_).rip, at("called")) << "before the instruction";
    EXPECT_EQ(Read<DebugRegs>(thread_).dr6 & 0xf, 8U);
    Resume();
    ExpectLine("calls " + std::to_string(i));
  }
  Arm(kNothingArmed);
  Tell("c");
  ExpectLine("calls 4");
}

TEST_F(Registers, AProgramThatIsLetGoIsNotArmedAnyMore) {
  Arm({.dr = {at("watched"), 0, 0, at("called")}, .dr6 = 0, .dr7 = kLocal0 | kWrites0 | kEightBytes0 | (kLocal0 << 6)});
  EXPECT_EQ(process_.detach(), ZX_OK) << zxl_last_error();
  Tell("w");
  ExpectLine("watched 1");
  Tell("c");
  ExpectLine("calls 1");
}

class BreakpointAtItsCall : public Registers {
 protected:
  DebugRegs AtItsCall() {
    const zx::SuspendToken token = Suspend();
    return {.dr = {Read<GeneralRegs>(thread_).rip - 2, 0, 0, 0}, .dr6 = 0, .dr7 = kLocal0};
  }
};

TEST_F(BreakpointAtItsCall, DoesNotStopOneThatIsMadeForUs) { ExpectLoansAreNotStopped(AtItsCall()); }

TEST_F(BreakpointAtItsCall, DoesNotKeepItFromBeingKilled) { ExpectIsKilled(AtItsCall()); }

TEST_F(Registers, WhyAnExceptionCameIsForgottenOnceItIsAnswered) {
  Arm({.dr = {0, 0, 0, at("called")}, .dr6 = 0, .dr7 = kLocal0 << 6});
  for (int i = 1; i <= 2; ++i) {
    Tell("c");
    Await(ZX_EXCP_HW_BREAKPOINT);
    EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff0ff8U);
    // Also when it has made a call for us meanwhile.
    zx::Thread made;
    EXPECT_EQ(zx::Thread::create(process_, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
    EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff0ff8U);
    Resume();
    ExpectLine("calls " + std::to_string(i));
    const zx::SuspendToken token = Suspend();
    EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff0ff0U);
  }
  // What is written stays until there is another exception.
  const zx::SuspendToken token = Suspend();
  EXPECT_EQ(Write(thread_, DebugRegs{.dr = {}, .dr6 = 0xe, .dr7 = 0}), ZX_OK) << zxl_last_error();
  EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff0ffeU);
}

TEST_F(Registers, AProgramThatIsLetGoInAnExceptionOfItsDebugRegistersLives) {
  Arm({.dr = {at("watched"), 0, 0, 0}, .dr6 = 0, .dr7 = kLocal0 | kWrites0 | kEightBytes0});
  Tell("w");
  Await(ZX_EXCP_HW_BREAKPOINT);
  EXPECT_EQ(process_.detach(), ZX_OK) << zxl_last_error();
  ExpectLine("watched 1");
}

TEST_F(Registers, AProgramThatExecutesAnotherIsNotArmedAnyMore) {
  Arm({.dr = {at("watched"), 0, 0, 0}, .dr6 = 0, .dr7 = kLocal0 | kWrites0 | kEightBytes0});
  Tell("X");
  ReadPlaces();
  const zx::SuspendToken token = Suspend();
  EXPECT_EQ(Read<DebugRegs>(thread_).dr7, 0x700U);
}

// What would have killed it with the tracer has gone with the debug registers.
TEST_F(Registers, AProgramThatExecutesAnotherOutlivesTheTracer) {
  Arm({.dr = {at("watched"), 0, 0, 0}, .dr6 = 0, .dr7 = kLocal0 | kWrites0 | kEightBytes0});
  Tell("X");
  ReadPlaces();
  const pid_t tracer = TracerOf(child_.pid());
  ASSERT_EQ(kill(tracer, SIGKILL), 0);
  EXPECT_TRUE(WaitUntil([&] { return TracerOf(child_.pid()) != tracer; }));
  Tell("w");
  ExpectLine("watched 1");
}

// ---- steps -----------------------------------------------------------------------------------------------------------

TEST_F(Registers, ASingleStepIsZeroOrOne) {
  StandAt("x");
  for (const SingleStep step : {2U, ~0U}) ExpectRefused(Write(thread_, step), "single step");
  EXPECT_EQ(Read<SingleStep>(thread_), 0U);
  EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK);
  EXPECT_EQ(Read<SingleStep>(thread_), 1U);
  EXPECT_EQ(Read<GeneralRegs>(thread_).rflags & kTrapFlag, kTrapFlag);
  EXPECT_EQ(Write(thread_, SingleStep{0}), ZX_OK);
  EXPECT_EQ(Read<SingleStep>(thread_), 0U);
  EXPECT_EQ(Read<GeneralRegs>(thread_).rflags & kTrapFlag, 0U);
  static_cast<void>(Finish());
}

// Each instruction is one, the call of the kernel as well.
TEST_F(Registers, EachStepIsAnException) {
  StandAt("s");
  EXPECT_EQ(Read<GeneralRegs>(thread_).rip, at("first_step"));
  EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK) << zxl_last_error();
  const std::vector<uint64_t> lengths = {1, 1, 3, 1, 1, 1, 5, 1, 2};
  uint64_t pc = at("first_step");
  for (const uint64_t length : lengths) {
    Resume();
    Await(ZX_EXCP_HW_BREAKPOINT);
    pc += length;
    EXPECT_EQ(Read<GeneralRegs>(thread_).rip, pc);
  }
  EXPECT_EQ(Read<GeneralRegs>(thread_).rax, static_cast<uint64_t>(child_.pid())) << "what getpid has returned";
  EXPECT_EQ(Write(thread_, SingleStep{0}), ZX_OK);
  Resume();
  ExpectLine("stepped");
}

TEST_F(Registers, AStepShowsInDr6) {
  StandAt("s");
  EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK);
  Resume();
  Await(ZX_EXCP_HW_BREAKPOINT);
  EXPECT_EQ(Read<DebugRegs>(thread_).dr6, 0xffff4ff0U);
  EXPECT_EQ(Write(thread_, SingleStep{0}), ZX_OK);
  Resume();
  ExpectLine("stepped");
}

TEST_F(Registers, TheTrapFlagOfTheGeneralOnesIsTheSingleStep) {
  StandAt("s");
  GeneralRegs regs = Read<GeneralRegs>(thread_);
  regs.rflags |= kTrapFlag;
  EXPECT_EQ(Write(thread_, regs), ZX_OK);
  EXPECT_EQ(Read<SingleStep>(thread_), 1U);
  Resume();
  Await(ZX_EXCP_HW_BREAKPOINT);
  regs = Read<GeneralRegs>(thread_);
  EXPECT_EQ(regs.rip, at("first_step") + 1);
  EXPECT_EQ(regs.rflags & kTrapFlag, kTrapFlag);
  regs.rflags &= ~kTrapFlag;
  EXPECT_EQ(Write(thread_, regs), ZX_OK);
  Resume();
  ExpectLine("stepped");
}

TEST_F(Registers, ASteppedProgramThatIsLetGoLives) {
  StandAt("s");
  EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK);
  Resume();
  Await(ZX_EXCP_HW_BREAKPOINT);
  EXPECT_EQ(process_.detach(), ZX_OK) << zxl_last_error();
  ExpectLine("stepped");
}

TEST_F(Registers, AStepOfASuspendedThreadComesWhenItGoesOn) {
  {
    const zx::SuspendToken token = Suspend();
    EXPECT_EQ(Write(thread_, SingleStep{1}), ZX_OK);
  }
  // It waits in a call, which comes to its end first.
  Tell("c");
  Await(ZX_EXCP_HW_BREAKPOINT);
  EXPECT_EQ(Write(thread_, SingleStep{0}), ZX_OK);
  Resume();
  ExpectLine("calls 1");
}

}  // namespace
}  // namespace zxctl::test
