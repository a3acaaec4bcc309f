// riscv64's registers and calls. Runs on every machine: nothing here needs that of the tests.
#include "arch/arch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

namespace zxctl::arch {
namespace {

using generic::CallPlace;
using VectorRegs = zx_riscv64_thread_state_vector_regs_t;

constexpr uint64_t kPc = 0x10104;
constexpr uint64_t kEpollPwait = 22;
constexpr uint64_t kPselect6 = 72;
constexpr CodeBytes kNop = {0x13, 0, 0, 0};

Registers At(const CodeBytes& before, const CodeBytes& at) {
  Registers registers{};
  registers.pc = kPc;
  std::array<uint8_t, 8> code{};
  std::copy(before.begin(), before.end(), code.begin());
  std::copy(at.begin(), at.end(), code.begin() + 4);
  NoteCode(registers, code, 4);
  return registers;
}

Registers Ended(uint64_t number, int64_t result, uint64_t first_argument) {
  Registers registers = At(kSystemCallInstruction, kNop);
  registers.x[kA7] = number;
  registers.x[kA0] = static_cast<uint64_t>(result);
  SetFirstArgument(registers, first_argument);
  return registers;
}

TEST(Riscv64Call, ShowsInTheCodeAroundPc) {
  EXPECT_EQ(At(kSystemCallInstruction, kNop).place, CallPlace::kAfter);
  EXPECT_EQ(At(kNop, kSystemCallInstruction).place, CallPlace::kBefore);
  EXPECT_LT(SystemCallNumber(At(kNop, kNop)), 0);
  EXPECT_EQ(SystemCallNumber(Ended(93, 0, 0)), 93);
}

TEST(Riscv64Restart, PutsTheFirstArgumentBackAndIsTakenBack) {
  Registers registers = Ended(kEpollPwait, -EINTR, 5);
  const Registers before = registers;
  ASSERT_TRUE(FindRestartableCall(registers, false));
  SetRestart(registers);
  EXPECT_EQ(registers.pc, kPc - 4);
  EXPECT_EQ(registers.x[kA0], 5U);
  EXPECT_FALSE(EndedWithEintr(registers));
  TakeBackRestart(registers);
  EXPECT_EQ(std::memcmp(&registers, &before, kCoreRegisterBytes), 0);
  EXPECT_TRUE(EndedWithEintr(registers));
}

TEST(Riscv64RestartCode, IsWhatTheNumberSays) {
  Registers registers = At(kSystemCallInstruction, kNop);
  registers.x[kA7] = generic::kRestartSyscall;
  EXPECT_EQ(RestartCode(registers), -516);
  registers.x[kA7] = kPselect6;
  EXPECT_EQ(RestartCode(registers), -514);
  registers.x[kA7] = 98;
  registers.x[kA0 + 1] = 6;
  EXPECT_EQ(RestartCode(registers), -513) << "FUTEX_LOCK_PI";
}

TEST(Riscv64SetEndOfCall, ShowsTheOwnCallEndedWithTheCode) {
  const Registers own = At(kNop, kSystemCallInstruction);
  ASSERT_TRUE(WillRunCall(own));
  Registers other = Ended(220, 1234, 0);
  other.pc = 0x7000;
  SetEndOfCall(other, own, -516);
  EXPECT_EQ(other.pc, kPc + 4);
  EXPECT_EQ(SystemCallResult(other), -516);
  EXPECT_FALSE(WillRunCall(other));
}

TEST(Riscv64TimeLeft, IsInTheMemoryOfCallsThatRunAgain) {
  Registers registers = At(kNop, kSystemCallInstruction);
  registers.x[kA7] = kPselect6;
  registers.x[kA0 + 4] = 0x5000;
  ASSERT_TRUE(FindTimeLeft(registers, false));
  EXPECT_EQ(FindTimeLeft(registers, false)->address, 0x5000U);
  registers.place = CallPlace::kAfter;
  EXPECT_FALSE(FindTimeLeft(registers, false));
}

TEST(Riscv64Zircon, HasTheKernelsOrder) {
  static_assert(sizeof(GeneralRegs) == 256);
  Registers registers{};
  registers.pc = 1;
  registers.x[kSp] = 2;
  registers.x[kS0] = 3;
  registers.x[kA0] = 4;
  registers.x[kA7] = 5;
  registers.x[30] = 6;
  const GeneralRegs general = ToZircon(registers);
  EXPECT_EQ(general.pc, 1U);
  EXPECT_EQ(general.sp, 2U);
  EXPECT_EQ(general.s0, 3U);
  EXPECT_EQ(general.a0, 4U);
  EXPECT_EQ(general.a7, 5U);
  EXPECT_EQ(general.t6, 6U);
  Registers back{};
  ASSERT_FALSE(FromZircon(general, back));
  EXPECT_EQ(std::memcmp(&back, &registers, kCoreRegisterBytes), 0);
}

TEST(Riscv64ExceptionContext, HasTheCauseThatTheSignalStandsFor) {
  zx_exception_arch_t context{};
  FillExceptionContext(SIGSEGV, SEGV_MAPERR, 0x10, context);
  EXPECT_EQ(context.riscv_64.cause, 13U);
  EXPECT_EQ(context.riscv_64.tval, 0x10U);
  FillExceptionContext(SIGILL, ILL_ILLOPC, 0x20, context);
  EXPECT_EQ(context.riscv_64.cause, 2U);
  FillExceptionContext(SIGFPE, FPE_INTDIV, 0x20, context);
  EXPECT_EQ(context.riscv_64.cause, 0U) << "the machine has no such fault";
  EXPECT_EQ(context.riscv_64.tval, 0U);
  FillExceptionContext(SIGSEGV, SI_USER, 0x10, context);
  EXPECT_EQ(context.riscv_64.cause, 0U) << "sent by a program";
}

TEST(Riscv64Zircon, NamesEachOfItsRegistersAtItsPlace) {
  const auto general = StateFields(ZX_THREAD_STATE_GENERAL_REGS);
  ASSERT_EQ(general.size(), 32U);
  EXPECT_EQ(general[0].name, "pc");
  EXPECT_EQ(general[10].name, "a0");
  EXPECT_EQ(general[10].offset, offsetof(GeneralRegs, a0));
  EXPECT_EQ(general[31].offset, offsetof(GeneralRegs, t6));
  const auto fp = StateFields(ZX_THREAD_STATE_FP_REGS);
  ASSERT_EQ(fp.size(), 33U);
  EXPECT_EQ(fp[31].name, "f31");
  EXPECT_EQ(fp[31].offset, offsetof(zx_riscv64_thread_state_fp_regs_t, q[31].low));
  EXPECT_EQ(fp[32].name, "fcsr");
  const auto vectors = StateFields(ZX_THREAD_STATE_VECTOR_REGS);
  ASSERT_EQ(vectors.size(), 36U);
  EXPECT_EQ(vectors[31].name, "v31");
  EXPECT_EQ(vectors[31].offset, offsetof(VectorRegs, v[31]));
  EXPECT_EQ(vectors[35].name, "vtype");
  EXPECT_EQ(vectors[35].offset, offsetof(VectorRegs, vtype));
  EXPECT_TRUE(StateFields(ZX_THREAD_STATE_DEBUG_REGS).empty());
}

// ---- vectors as the kernel has them: vstart, vl, vtype, vcsr, bytes of a register; the registers ----

constexpr StateLayout kVectorLayout = {.kind = ZX_THREAD_STATE_VECTOR_REGS, .bytes = sizeof(VectorRegs)};

std::vector<std::byte> VectorSet(uint64_t register_bytes) {
  std::vector<std::byte> set(5 * sizeof(uint64_t) + 32 * register_bytes);
  const std::array<uint64_t, 5> head = {1, 3, 0xd0, 5, register_bytes};
  std::memcpy(set.data(), head.data(), sizeof(head));
  for (size_t i = sizeof(head); i < set.size(); ++i) set[i] = static_cast<std::byte>(i);
  return set;
}

VectorRegs Shown(std::vector<std::byte>& set) {
  VectorRegs regs{};
  EXPECT_EQ(ShowState(kVectorLayout, {set}, std::as_writable_bytes(std::span(&regs, 1))), std::nullopt);
  return regs;
}

TEST(Riscv64Vectors, AreShownAndTakenBack) {
  std::vector<std::byte> set = VectorSet(16);
  VectorRegs regs = Shown(set);
  EXPECT_EQ(regs.vstart, 1U);
  EXPECT_EQ(regs.vl, 3U);
  EXPECT_EQ(regs.vtype, 0xd0U);
  EXPECT_EQ(regs.vcsr, 5U);
  EXPECT_EQ(regs.v[0].low, 0x2f2e2d2c2b2a2928U);
  EXPECT_EQ(regs.v[31].high, 0x2726252423222120U);
  regs.v[31].high = 1;
  regs.vl = 2;
  EXPECT_EQ(TakeState(kVectorLayout, std::as_bytes(std::span(&regs, 1)), {set}), std::nullopt);
  const VectorRegs again = Shown(set);
  EXPECT_EQ(std::memcmp(&again, &regs, sizeof(regs)), 0);
}

TEST(Riscv64Vectors, ThatWereNeverUsedAreZero) {
  std::vector<std::byte> none;
  const VectorRegs regs = Shown(none);
  const VectorRegs zeros{};
  EXPECT_EQ(std::memcmp(&regs, &zeros, sizeof(regs)), 0);
}

TEST(Riscv64Vectors, OfAnotherSizeDoNotFit) {
  std::vector<std::byte> set = VectorSet(32);
  VectorRegs regs{};
  const auto unfit = ShowState(kVectorLayout, {set}, std::as_writable_bytes(std::span(&regs, 1)));
  ASSERT_TRUE(unfit);
  EXPECT_NE(unfit->find("256 bits"), std::string::npos) << *unfit;
}

TEST(Riscv64Vectors, ThatCannotBeAreNotTaken) {
  std::vector<std::byte> set = VectorSet(16);
  const std::vector<std::byte> before = set;
  VectorRegs regs = Shown(set);
  regs.vl = 5;
  EXPECT_TRUE(TakeState(kVectorLayout, std::as_bytes(std::span(&regs, 1)), {set}));
  EXPECT_EQ(set, before);
}

}  // namespace
}  // namespace zxctl::arch
