#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>

#include "arch/arch.h"

namespace zxctl::arch {
namespace {

Registers InCall(int64_t number, int64_t result) {
  Registers registers{};
  registers.orig_rax = static_cast<uint64_t>(number);
  registers.rax = static_cast<uint64_t>(result);
  return registers;
}

TEST(FindRestartableCall, KnowsTheCallsThatFailWithEintr) {
  for (const int64_t number :
       {SYS_epoll_wait, SYS_epoll_pwait, SYS_recvfrom, SYS_recvmsg, SYS_accept, SYS_accept4, SYS_read,
        SYS_rt_sigtimedwait, SYS_semop, SYS_semtimedop, SYS_io_getevents, SYS_connect}) {
    EXPECT_TRUE(FindRestartableCall(InCall(number, -EINTR), false)) << number;
  }
}

TEST(FindRestartableCall, NeverRestartsWhatHasAnEffect) {
  for (const int64_t number :
       {SYS_close, SYS_dup2, SYS_openat, SYS_rename, SYS_unlink, SYS_futex, SYS_nanosleep, SYS_wait4}) {
    EXPECT_FALSE(FindRestartableCall(InCall(number, -EINTR), false)) << number;
  }
}

TEST(FindTimeLeft, KnowsTheCallsThatBeginAnewWithTheRestOfTheirTime) {
  Registers registers = InCall(SYS_select, kRestartNoHand);
  EXPECT_FALSE(FindTimeLeft(registers, false)) << "no limit";
  registers.r8 = 0x5000;
  ASSERT_TRUE(FindTimeLeft(registers, false));
  EXPECT_EQ(FindTimeLeft(registers, false)->address, 0x5000U);
  EXPECT_EQ(FindTimeLeft(registers, false)->unit_ns, 1000);
  registers.rax = static_cast<uint64_t>(-EINTR);
  EXPECT_FALSE(FindTimeLeft(registers, false));
  registers = InCall(SYS_epoll_wait, kRestartNoHand);
  registers.r8 = registers.rdx = 0x5000;
  EXPECT_FALSE(FindTimeLeft(registers, false));
  registers = InCall(309, kRestartNoHand);  // ppoll of the 32-bit side
  registers.rdx = 0x6000;
  ASSERT_TRUE(FindTimeLeft(registers, true));
  EXPECT_EQ(FindTimeLeft(registers, true)->bytes, 4);
}

TEST(FindRestartableCall, NeedsTheResultEintr) {
  for (const int64_t result : {0L, 4L, -11L, -512L, -514L, -516L}) {
    EXPECT_FALSE(FindRestartableCall(InCall(SYS_epoll_wait, result), false)) << result;
  }
  // Not in a call: orig_rax is -1 after an interrupt or a fault.
  EXPECT_FALSE(FindRestartableCall(InCall(-1, -EINTR), false));
}

TEST(FindRestartableCall, DoesNotMixUpTheTwoInterfaces) {
  constexpr int64_t kEpollWait32 = 256;
  EXPECT_TRUE(FindRestartableCall(InCall(kEpollWait32, -EINTR), true));
  EXPECT_FALSE(FindRestartableCall(InCall(kEpollWait32, -EINTR), false));
  EXPECT_FALSE(FindRestartableCall(InCall(SYS_epoll_wait, -EINTR), true));
  // 6 is close there and lstat here.
  EXPECT_FALSE(FindRestartableCall(InCall(6, -EINTR), true));
}

TEST(FindRestartableCall, FindsTheTimeoutOfEachKind) {
  Registers registers = InCall(SYS_epoll_wait, -EINTR);
  registers.r10 = 250;
  const auto epoll = FindRestartableCall(registers, false);
  ASSERT_TRUE(epoll);
  EXPECT_EQ(epoll->timeout, TimeoutKind::kMilliseconds);
  EXPECT_EQ(epoll->timeout_argument, 250U);
  EXPECT_EQ(epoll->timeout_result, 0);

  registers = InCall(SYS_recvfrom, -EINTR);
  registers.rdi = 9;
  const auto receive = FindRestartableCall(registers, false);
  ASSERT_TRUE(receive);
  EXPECT_EQ(receive->timeout, TimeoutKind::kSocketReceive);
  EXPECT_EQ(receive->fd, 9U);
  EXPECT_EQ(receive->timeout_result, -EAGAIN);
}

TEST(FindRestartableCall, TakesUringTimesOnlyWhereTheyAreRelativeAndInMemory) {
  Registers registers = InCall(SYS_io_uring_enter, -EINTR);
  registers.r8 = 0x1000;
  EXPECT_EQ(FindRestartableCall(registers, false)->timeout, TimeoutKind::kNone);
  registers.r10 = 1U << 3;
  EXPECT_EQ(FindRestartableCall(registers, false)->timeout, TimeoutKind::kUringTimespec);
  registers.r10 = (1U << 3) | (1U << 5);
  EXPECT_EQ(FindRestartableCall(registers, false)->timeout, TimeoutKind::kNone);
}

TEST(SetRestart, ChangesTheResultOnly) {
  Registers registers = InCall(SYS_epoll_wait, -EINTR);
  SetRestart(registers);
  EXPECT_EQ(static_cast<int64_t>(registers.rax), -514);
  EXPECT_EQ(registers.orig_rax, static_cast<uint64_t>(SYS_epoll_wait));
}

TEST(MadeTask, IsThePositiveResultOfACall) {
  arch::Registers registers = {};
  registers.orig_rax = SYS_fork;
  registers.rax = 4711;
  EXPECT_EQ(MadeTask(registers), 4711);
  registers.rax = static_cast<uint64_t>(-EAGAIN);
  EXPECT_EQ(MadeTask(registers), 0);
  registers.rax = uint64_t{1} << 40;
  EXPECT_EQ(MadeTask(registers), 0);
  registers = {.rax = 4711};
  registers.orig_rax = static_cast<uint64_t>(-1);
  EXPECT_EQ(MadeTask(registers), 0);
}

TEST(SetResult, LeavesNoCallToRestart) {
  Registers registers = InCall(SYS_epoll_wait, -EINTR);
  SetResult(registers, 0);
  EXPECT_EQ(registers.rax, 0U);
  EXPECT_LT(SystemCallNumber(registers), 0);
}

TEST(IsCanonical, SplitsTheAddressSpace) {
  EXPECT_TRUE(IsCanonical(0));
  EXPECT_TRUE(IsCanonical(0x7fffffffffff));
  EXPECT_TRUE(IsCanonical(~uint64_t{0}));
  EXPECT_FALSE(IsCanonical(uint64_t{1} << 62));
}

}  // namespace
}  // namespace zxctl::arch
