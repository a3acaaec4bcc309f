// arm64's registers and calls. Runs on every machine: nothing here needs that of the tests.
#include "arch/arch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace zxctl::arch {
namespace {

using generic::CallPlace;

constexpr uint64_t kPc = 0x400104;
constexpr uint64_t kEpollPwait = 22;
constexpr uint64_t kPpoll = 73;
constexpr uint64_t kRecvfrom = 207;

// Behind svc #0, or at it, as the code says.
Registers At(const CodeBytes& before, const CodeBytes& at) {
  Registers registers{};
  registers.pc = kPc;
  registers.kernel_call = -1;
  std::array<uint8_t, 8> code{};
  std::copy(before.begin(), before.end(), code.begin());
  std::copy(at.begin(), at.end(), code.begin() + 4);
  NoteCode(registers, code, 4);
  return registers;
}
constexpr CodeBytes kNop = {0x1f, 0x20, 0x03, 0xd5};

Registers Ended(uint64_t number, int64_t result, uint64_t first_argument) {
  Registers registers = At(kSystemCallInstruction, kNop);
  registers.x[8] = number;
  registers.x[0] = static_cast<uint64_t>(result);
  SetFirstArgument(registers, first_argument);
  return registers;
}

TEST(Aarch64Call, ShowsInTheCodeAroundPc) {
  EXPECT_EQ(At(kSystemCallInstruction, kNop).place, CallPlace::kAfter);
  EXPECT_EQ(At(kNop, kSystemCallInstruction).place, CallPlace::kBefore);
  EXPECT_EQ(At(kNop, kNop).place, CallPlace::kNone);
  EXPECT_LT(SystemCallNumber(At(kNop, kNop)), 0);
  Registers inside = At(kNop, kNop);
  inside.kernel_call = 93;
  NoteCode(inside, {}, 0);
  EXPECT_EQ(SystemCallNumber(inside), 93);
  // At the beginning of what is mapped, only what stands at pc can be read.
  Registers first = At(kNop, kNop);
  NoteCode(first, kSystemCallInstruction, 0);
  EXPECT_EQ(first.place, CallPlace::kBefore);
}

TEST(Aarch64Call, IsLookedForOnlyWhereItsRegisterHoldsANumber) {
  Registers registers{};
  registers.kernel_call = -1;
  registers.x[8] = 63;
  EXPECT_TRUE(NeedsCode(registers));
  registers.x[8] = 0xffff12345678;
  EXPECT_FALSE(NeedsCode(registers));
  registers.kernel_call = 63;
  EXPECT_TRUE(NeedsCode(registers));
}

TEST(Aarch64Restart, PutsTheFirstArgumentBack) {
  Registers registers = Ended(kEpollPwait, -EINTR, 5);
  ASSERT_TRUE(EndedWithEintr(registers));
  const auto call = FindRestartableCall(registers, false);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->timeout, TimeoutKind::kMilliseconds);
  SetRestart(registers);
  EXPECT_EQ(registers.pc, kPc - 4);
  EXPECT_EQ(registers.x[0], 5U);
  EXPECT_FALSE(EndedWithEintr(registers));
  EXPECT_EQ(SystemCallNumber(registers), static_cast<int64_t>(kEpollPwait));
}

TEST(Aarch64Restart, IsTakenBackWhenAHandlerComesFirst) {
  Registers registers = Ended(kEpollPwait, -EINTR, 5);
  SetRestart(registers);
  TakeBackRestart(registers);
  EXPECT_EQ(registers.pc, kPc);
  EXPECT_TRUE(EndedWithEintr(registers));
  EXPECT_TRUE(FindRestartableCall(registers, false));
}

TEST(Aarch64Restart, KnowsTheDescriptorOnlyByTheArgumentThatWasLookedFor) {
  const auto call = FindRestartableCall(Ended(kRecvfrom, -EINTR, 9), false);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->fd, 9U);
  EXPECT_EQ(call->timeout, TimeoutKind::kSocketReceive);
  EXPECT_FALSE(FindRestartableCall(Ended(kRecvfrom, -EAGAIN, 9), false));
  EXPECT_FALSE(FindRestartableCall(Ended(57, -EINTR, 9), false)) << "close";
  EXPECT_FALSE(FindRestartableCall(Ended(kRecvfrom, -EINTR, 9), true)) << "32-bit code has other numbers";
}

// What the kernel has interrupted a call with shows in the call that it runs again.
TEST(Aarch64RestartCode, IsWhatTheNumberSays) {
  const auto code = [](uint64_t number, uint64_t second_argument = 0) {
    Registers registers = At(kSystemCallInstruction, kNop);
    registers.x[8] = number;
    registers.x[1] = second_argument;
    return RestartCode(registers);
  };
  EXPECT_EQ(code(generic::kRestartSyscall), -516);
  EXPECT_EQ(code(kPpoll), -514);
  EXPECT_EQ(code(63), -512) << "read";
  EXPECT_EQ(code(220), -513) << "clone";
  EXPECT_EQ(code(172), -513) << "getpid, which it has not begun";
  constexpr uint64_t kFutex = 98;
  constexpr uint64_t kPrivate = 128;
  EXPECT_EQ(code(kFutex, 0 | kPrivate), -512) << "FUTEX_WAIT";
  EXPECT_EQ(code(kFutex, 9), -512) << "FUTEX_WAIT_BITSET";
  EXPECT_EQ(code(kFutex, 6), -513) << "FUTEX_LOCK_PI";
}

TEST(Aarch64SetEndOfCall, ShowsTheOwnCallEndedWithTheCode) {
  const Registers own = At(kNop, kSystemCallInstruction);
  ASSERT_TRUE(WillRunCall(own));
  Registers other = Ended(220, 1234, 0);
  other.pc = 0x7000;
  SetEndOfCall(other, own, -516);
  // The kernel takes the instruction before pc for the call's.
  EXPECT_EQ(other.pc, kPc + 4);
  EXPECT_EQ(SystemCallResult(other), -516);
  EXPECT_FALSE(WillRunCall(other));
}

TEST(Aarch64TimeLeft, IsInTheMemoryOfCallsThatRunAgain) {
  Registers registers = At(kNop, kSystemCallInstruction);
  registers.x[8] = kPpoll;
  EXPECT_FALSE(FindTimeLeft(registers, false)) << "no limit";
  registers.x[2] = 0x5000;
  ASSERT_TRUE(FindTimeLeft(registers, false));
  EXPECT_EQ(FindTimeLeft(registers, false)->address, 0x5000U);
  registers.x[8] = kEpollPwait;
  EXPECT_FALSE(FindTimeLeft(registers, false));
  registers.x[8] = kPpoll;
  registers.place = CallPlace::kAfter;
  EXPECT_FALSE(FindTimeLeft(registers, false)) << "it has ended";
}

TEST(Aarch64SetResult, LeavesNoCallToRestart) {
  Registers registers = Ended(kEpollPwait, -EINTR, 5);
  SetResult(registers, 0);
  EXPECT_EQ(registers.x[0], 0U);
  EXPECT_EQ(registers.pc, kPc);
  EXPECT_LT(SystemCallNumber(registers), 0);
}

TEST(Aarch64MadeTask, IsThePositiveResultOfACall) {
  EXPECT_EQ(MadeTask(Ended(220, 4711, 0)), 4711);
  EXPECT_EQ(MadeTask(Ended(220, -EAGAIN, 0)), 0);
  EXPECT_EQ(MadeTask(Ended(kRecvfrom, 4711, 0)), 0) << "a call that makes no task";
  Registers inside = Ended(220, 17, 0);
  inside.kernel_call = 220;
  NoteCode(inside, {}, 0);
  EXPECT_EQ(MadeTask(inside), 0) << "its flags";
  Registers outside = At(kNop, kNop);
  outside.x[0] = 4711;
  EXPECT_EQ(MadeTask(outside), 0);
}

TEST(Aarch64IsCanonical, IgnoresTagsAndSplitsAtBit48) {
  EXPECT_TRUE(IsCanonical(0));
  EXPECT_TRUE(IsCanonical(0xffffffffffff));
  EXPECT_TRUE(IsCanonical(0x5500'0000'0001'0000)) << "a tag";
  EXPECT_TRUE(IsCanonical(~uint64_t{0}));
  EXPECT_FALSE(IsCanonical(uint64_t{1} << 48));
  EXPECT_FALSE(IsCanonical(uint64_t{1} << 55));
  EXPECT_TRUE(IsKernelHalf(uint64_t{1} << 55));
  EXPECT_FALSE(IsKernelHalf(0x5500'0000'0001'0000));
}

TEST(Aarch64Zircon, TakesOverEveryRegisterAndOfTheFlagsTheConditions) {
  static_assert(sizeof(GeneralRegs) == 280);
  GeneralRegs from{};
  for (size_t i = 0; i < 30; ++i) from.r[i] = 100 + i;
  from.lr = 1;
  from.sp = 2;
  from.pc = 3;
  from.cpsr = 0xf0000fff;
  from.tpidr = 5;
  Registers registers{};
  registers.pstate = 0x1000;
  ASSERT_FALSE(FromZircon(from, registers));
  EXPECT_EQ(registers.pstate, 0xf0001000U);
  from.cpsr = 0xf0000000;
  const GeneralRegs back = ToZircon(registers);
  EXPECT_EQ(std::memcmp(&back, &from, sizeof(from)), 0);
}

// A header that says how many there are, and sixteen pairs.
TEST(Aarch64Debug, OfTheRegistersOnlyThoseThatTheMachineHasAreWritten) {
  constexpr uint32_t kBreakpointSet = 0x402;
  constexpr uint32_t kVectorSet = 2;
  std::array<std::byte, 264> set{};
  set[0] = std::byte{6};
  EXPECT_EQ(WritableBytes(kBreakpointSet, set), 8U + 6 * 16);
  EXPECT_EQ(WritableBytes(kBreakpointSet, std::span(set).first(8 + 2 * 16)), 8U + 2 * 16);
  EXPECT_EQ(WritableBytes(kBreakpointSet, std::span(set).first(0)), 0U);
  EXPECT_EQ(WritableBytes(kVectorSet, set), set.size());
}

TEST(Aarch64ExceptionContext, HasTheClassThatTheSignalStandsFor) {
  zx_exception_arch_t context{};
  FillExceptionContext(SIGSEGV, SEGV_MAPERR, 0x10, context);
  EXPECT_EQ(context.arm_64.esr >> 26, 0x24U);
  EXPECT_EQ(context.arm_64.esr & 0x3f, 0x07U);
  EXPECT_EQ(context.arm_64.far, 0x10U);
  FillExceptionContext(SIGSEGV, SEGV_ACCERR, 0x10, context);
  EXPECT_EQ(context.arm_64.esr & 0x3f, 0x0fU);
  FillExceptionContext(SIGBUS, BUS_ADRALN, 0x11, context);
  EXPECT_EQ(context.arm_64.esr & 0x3f, 0x21U);
  FillExceptionContext(SIGTRAP, TRAP_BRKPT, 0, context);
  EXPECT_EQ(context.arm_64.esr >> 26, 0x3cU);
  FillExceptionContext(SIGSEGV, SI_USER, 0x10, context);
  EXPECT_EQ(context.arm_64.esr, 0U) << "sent by a program";
}

TEST(Aarch64Zircon, NamesEachOfItsRegistersAtItsPlace) {
  const auto general = StateFields(ZX_THREAD_STATE_GENERAL_REGS);
  ASSERT_EQ(general.size(), 35U);
  EXPECT_EQ(general[29].name, "x29");
  EXPECT_EQ(general[30].name, "lr");
  EXPECT_EQ(general[30].offset, offsetof(GeneralRegs, lr));
  EXPECT_EQ(general[32].name, "pc");
  EXPECT_EQ(general[32].offset, offsetof(GeneralRegs, pc));
  EXPECT_EQ(general[34].offset, offsetof(GeneralRegs, tpidr));
  const auto vectors = StateFields(ZX_THREAD_STATE_VECTOR_REGS);
  EXPECT_EQ(vectors.back().name, "v31");
  EXPECT_EQ(vectors.back().offset, offsetof(zx_arm64_thread_state_vector_regs_t, v[31]));
  const auto debug = StateFields(ZX_THREAD_STATE_DEBUG_REGS);
  EXPECT_EQ(debug.back().name, "dbgwcr15");
  EXPECT_EQ(debug.back().offset, offsetof(zx_arm64_thread_state_debug_regs_t, hw_wps[15].dbgwcr));
  EXPECT_TRUE(StateFields(ZX_THREAD_STATE_FP_REGS).empty());
}

}  // namespace
}  // namespace zxctl::arch
