#include "supervisor/call_watch.h"

#include <gtest/gtest.h>

namespace zxctl {
namespace {

constexpr int64_t kCall = 232;
constexpr int64_t kOther = 0;

TEST(CallWatch, BeginsAtTheEntryAfterTheFirstRestart) {
  CallWatch watch(kCall, 100);
  EXPECT_FALSE(watch.needs_timer());
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false, 1000));
  EXPECT_TRUE(watch.needs_timer());
  EXPECT_EQ(watch.deadline_ns(), 1100);
}

TEST(CallWatch, KeepsItsBeginningOverFurtherRestarts) {
  CallWatch watch(kCall, 100);
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false, 1000));
  EXPECT_TRUE(watch.OnSyscallStop(kCall, true, 1050));
  EXPECT_TRUE(watch.interrupted());
  watch.Restart();
  EXPECT_FALSE(watch.interrupted());
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false, 1060));
  EXPECT_EQ(watch.deadline_ns(), 1100);
  EXPECT_FALSE(watch.Expired(1099));
  EXPECT_TRUE(watch.Expired(1100));
}

TEST(CallWatch, EndsWhenTheCallReturns) {
  CallWatch watch(kCall, 100);
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false, 1000));
  EXPECT_FALSE(watch.OnSyscallStop(kCall, false, 1050));
}

TEST(CallWatch, EndsWhenEintrHasReachedTheProgram) {
  CallWatch watch(kCall, 100);
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false, 1000));
  EXPECT_TRUE(watch.OnSyscallStop(kCall, true, 1050));
  EXPECT_FALSE(watch.OnSyscallStop(kCall, false, 1060));
}

TEST(CallWatch, EndsAtAnotherCall) {
  CallWatch watch(kCall, 100);
  EXPECT_FALSE(watch.OnSyscallStop(kOther, false, 1000));
}

TEST(CallWatch, NeverExpiresBeforeItHasBegun) {
  const CallWatch watch(kCall, 0);
  EXPECT_FALSE(watch.Expired(INT64_MAX));
}

}  // namespace
}  // namespace zxctl
