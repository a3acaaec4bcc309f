#include "exceptions/classify.h"

#include <gtest/gtest.h>

#include "exceptions/router.h"
#include "machine_registers.h"

namespace zxctl {
namespace {

constexpr int kTrapTrace = 2;
constexpr int kTrapBranch = 3;
constexpr int kTrapHardware = 4;
constexpr int kSeccomp = 1;

struct Case {
  const char* name;
  SignalRecord signal;
  std::optional<ExceptionType> type;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class ClassifySignalTable : public testing::TestWithParam<Case> {};

TEST_P(ClassifySignalTable, HasThisType) { EXPECT_EQ(ClassifySignal(GetParam().signal), GetParam().type); }

INSTANTIATE_TEST_SUITE_P(
    Rows, ClassifySignalTable,
    testing::Values(
        Case{"unmapped", {.signo = SIGSEGV, .code = SEGV_MAPERR}, ExceptionType::kFatalPageFault},
        Case{"forbidden", {.signo = SIGSEGV, .code = SEGV_ACCERR}, ExceptionType::kFatalPageFault},
        Case{"bound", {.signo = SIGSEGV, .code = SEGV_BNDERR}, ExceptionType::kFatalPageFault},
        Case{"key", {.signo = SIGSEGV, .code = SEGV_PKUERR}, ExceptionType::kFatalPageFault},
        Case{"general protection", {.signo = SIGSEGV, .code = SI_KERNEL}, ExceptionType::kGeneral},
        Case{"alignment",
             {.signo = SIGBUS, .code = BUS_ADRALN},
             arch::kAlignmentFaultIsGeneral ? ExceptionType::kGeneral : ExceptionType::kUnalignedAccess},
        Case{"past the end of a file", {.signo = SIGBUS, .code = BUS_ADRERR}, ExceptionType::kFatalPageFault},
        Case{"memory error", {.signo = SIGBUS, .code = BUS_MCEERR_AR}, ExceptionType::kFatalPageFault},
        Case{"illegal", {.signo = SIGILL, .code = ILL_ILLOPN}, ExceptionType::kUndefinedInstruction},
        Case{"division", {.signo = SIGFPE, .code = FPE_INTDIV}, ExceptionType::kGeneral},
        Case{"int3", {.signo = SIGTRAP, .code = SI_KERNEL}, ExceptionType::kSwBreakpoint},
        Case{"breakpoint", {.signo = SIGTRAP, .code = TRAP_BRKPT}, ExceptionType::kSwBreakpoint},
        Case{"single step", {.signo = SIGTRAP, .code = kTrapTrace}, ExceptionType::kHwBreakpoint},
        Case{"branch step", {.signo = SIGTRAP, .code = kTrapBranch}, ExceptionType::kHwBreakpoint},
        Case{"watchpoint", {.signo = SIGTRAP, .code = kTrapHardware}, ExceptionType::kHwBreakpoint},
        Case{"seccomp trap", {.signo = SIGSYS, .code = kSeccomp}, ExceptionType::kPolicyError},
        Case{"sent SEGV", {.signo = SIGSEGV, .code = SI_USER, .pid = 1}, ExceptionType::kGeneral},
        Case{"raised BUS", {.signo = SIGBUS, .code = SI_TKILL, .pid = 1}, ExceptionType::kGeneral},
        Case{"queued ILL", {.signo = SIGILL, .code = SI_QUEUE, .pid = 1}, ExceptionType::kGeneral},
        Case{"sent TRAP", {.signo = SIGTRAP, .code = SI_USER, .pid = 1}, ExceptionType::kGeneral},
        Case{"abort", {.signo = SIGABRT, .code = SI_TKILL, .pid = 1}, ExceptionType::kGeneral},
        Case{"quit", {.signo = SIGQUIT, .code = SI_KERNEL}, ExceptionType::kGeneral},
        Case{"cpu time", {.signo = SIGXCPU, .code = SI_KERNEL}, ExceptionType::kGeneral},
        Case{"file size", {.signo = SIGXFSZ, .code = SI_KERNEL}, ExceptionType::kGeneral},
        Case{"terminate", {.signo = SIGTERM, .code = SI_USER}, std::nullopt},
        Case{"interrupt", {.signo = SIGINT, .code = SI_KERNEL}, std::nullopt},
        Case{"kill", {.signo = SIGKILL, .code = SI_USER}, std::nullopt},
        Case{"pipe", {.signo = SIGPIPE, .code = SI_USER}, std::nullopt},
        Case{"child", {.signo = SIGCHLD, .code = CLD_EXITED}, std::nullopt},
        Case{"stop", {.signo = SIGTSTP, .code = SI_KERNEL}, std::nullopt},
        Case{"real-time", {.signo = 40, .code = SI_QUEUE}, std::nullopt}));

TEST(ExceptionTypeName, IsZirconsNameWithDashes) {
  EXPECT_EQ(ExceptionTypeName(ExceptionType::kFatalPageFault), "fatal-page-fault");
  EXPECT_EQ(ExceptionTypeName(ExceptionType::kGeneral), "general");
  EXPECT_EQ(ExceptionTypeName(ExceptionType::kPolicyError), "policy-error");
}

arch::Registers At(uint64_t pc, uint64_t sp) {
  arch::Registers registers{};
  test::SetPc(registers, pc);
  test::SetSp(registers, sp);
  return registers;
}

TEST(RepeatsFirstFault, SeesThatAHandlerCouldNotBePushed) {
  const FirstFault first{.signal = {.signo = SIGSEGV, .code = SEGV_ACCERR, .address = 0x7000},
                         .registers = At(0x10, 0x7008)};
  const SignalRecord second{.signo = SIGSEGV, .code = SI_KERNEL};
  EXPECT_TRUE(RepeatsFirstFault(first, At(0x10, 0x7008), second, 5));
  EXPECT_FALSE(RepeatsFirstFault(first, At(0x18, 0x7008), second, 5));
}

TEST(RepeatsFirstFault, SeesAHandlerThatRaisesAgain) {
  const FirstFault first{.signal = {.signo = SIGSEGV, .code = SEGV_MAPERR}, .registers = At(0x10, 0x7008)};
  EXPECT_TRUE(RepeatsFirstFault(first, At(0x99, 0x1), {.signo = SIGSEGV, .code = SI_TKILL, .pid = 5}, 5));
  EXPECT_FALSE(RepeatsFirstFault(first, At(0x99, 0x1), {.signo = SIGSEGV, .code = SI_TKILL, .pid = 6}, 5));
  EXPECT_FALSE(RepeatsFirstFault(first, At(0x99, 0x1), {.signo = SIGABRT, .code = SI_TKILL, .pid = 5}, 5));
}

TEST(RepeatsFirstFault, IsNotFooledByALaterFault) {
  const FirstFault first{.signal = {.signo = SIGSEGV, .code = SEGV_MAPERR}, .registers = At(0x10, 0x7008)};
  EXPECT_FALSE(RepeatsFirstFault(first, At(0x50, 0x7008), {.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 4}, 5));
}

}  // namespace
}  // namespace zxctl
