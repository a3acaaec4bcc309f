#include "supervisor/signal_record.h"

#include <gtest/gtest.h>

#include "supervisor/disposition.h"

namespace zxctl {
namespace {

TEST(DefaultActionOf, IsThatOfTheManual) {
  for (const int signo : {SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ}) {
    EXPECT_EQ(DefaultActionOf(signo), DefaultAction::kCore) << signo;
  }
  for (const int signo : {SIGCHLD, SIGURG, SIGWINCH})
    EXPECT_EQ(DefaultActionOf(signo), DefaultAction::kIgnore) << signo;
  for (const int signo : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU}) {
    EXPECT_EQ(DefaultActionOf(signo), DefaultAction::kStop) << signo;
  }
  EXPECT_EQ(DefaultActionOf(SIGCONT), DefaultAction::kContinue);
  for (const int signo : {SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGIO, SIGPWR,
                          SIGSTKFLT, SIGPROF, SIGVTALRM, 34, 50, 64}) {
    EXPECT_EQ(DefaultActionOf(signo), DefaultAction::kTerminate) << signo;
  }
}

TEST(IsSynchronousFault, NeedsAFaultSignalFromTheKernel) {
  EXPECT_TRUE(IsSynchronousFault({.signo = SIGSEGV, .code = SEGV_MAPERR}));
  EXPECT_TRUE(IsSynchronousFault({.signo = SIGTRAP, .code = SI_KERNEL}));
  EXPECT_FALSE(IsSynchronousFault({.signo = SIGSEGV, .code = SI_USER}));
  EXPECT_FALSE(IsSynchronousFault({.signo = SIGSEGV, .code = SI_TKILL}));
  EXPECT_FALSE(IsSynchronousFault({.signo = SIGABRT, .code = SI_KERNEL}));
}

TEST(DecodeSiginfo, TakesTheAddressOfAFaultAndNoSender) {
  siginfo_t info{};
  info.si_signo = SIGSEGV;
  info.si_code = SEGV_ACCERR;
  info.si_addr = reinterpret_cast<void*>(0x1234);
  const SignalRecord record = DecodeSiginfo(info);
  EXPECT_EQ(record.address, 0x1234U);
  EXPECT_EQ(record.pid, 0);
}

TEST(DecodeSiginfo, TakesTheSenderOfASentSignalAndNoAddress) {
  siginfo_t info{};
  info.si_signo = SIGSEGV;
  info.si_code = SI_USER;
  info.si_pid = 77;
  info.si_uid = 5;
  const SignalRecord record = DecodeSiginfo(info);
  EXPECT_EQ(record.pid, 77);
  EXPECT_EQ(record.uid, 5);
  EXPECT_EQ(record.address, 0U);
}

TEST(DecodeSiginfo, TakesTheCallOfASeccompTrap) {
  siginfo_t info{};
  info.si_signo = SIGSYS;
  info.si_code = 1;
  info.si_call_addr = reinterpret_cast<void*>(0x4321);
  info.si_syscall = 41;
  info.si_errno = 9;
  const SignalRecord record = DecodeSiginfo(info);
  EXPECT_EQ(record.address, 0x4321U);
  EXPECT_EQ(record.syscall, 41);
  EXPECT_EQ(record.error, 9);
}

// Fields as /proc gives them; SIGSEGV (11) and SIGUSR1 (10) caught, SIGPIPE (13) ignored, SIGINT (2) blocked.
std::string StatLine(const std::string& name) {
  std::string line = "4242 (" + name +
                     ") t 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 4096 1 18446744073709551615 "
                     "1 1 0 0 0 0 ";
  return line + "2 4096 1536 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
}

TEST(ParseStatSignals, ReadsTheThreeSets) {
  const auto sets = ParseStatSignals(StatLine("prog"));
  ASSERT_TRUE(sets);
  EXPECT_EQ(DispositionOf(*sets, SIGSEGV), Disposition::kCaught);
  EXPECT_EQ(DispositionOf(*sets, SIGUSR1), Disposition::kCaught);
  EXPECT_EQ(DispositionOf(*sets, SIGPIPE), Disposition::kIgnored);
  EXPECT_EQ(DispositionOf(*sets, SIGABRT), Disposition::kDefault);
  EXPECT_EQ(sets->blocked, 2U);
}

TEST(ParseStatSignals, IsNotFooledByAName) {
  for (const char* name : {"a b", ") t 1 2 3 4 5", "((", "x) R 1 1", ""}) {
    const auto sets = ParseStatSignals(StatLine(name));
    ASSERT_TRUE(sets) << name;
    EXPECT_EQ(sets->caught, 1536U) << name;
  }
}

TEST(ParseStatSignals, RefusesWhatIsNoStatLine) {
  for (const char* line : {"", "1", "1 (x", "1 (x) R", "1 (x) R 1 2 3"}) EXPECT_FALSE(ParseStatSignals(line)) << line;
}

}  // namespace
}  // namespace zxctl
