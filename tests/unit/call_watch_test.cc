#include "supervisor/call_watch.h"

#include <gtest/gtest.h>

namespace zxctl {
namespace {

constexpr int64_t kCall = 232;
constexpr int64_t kOther = 0;

TEST(CallWatch, CountsFromWhereTheCallWasFirstBrokenOff) {
  const CallWatch watch(kCall, 100, 1000);
  EXPECT_EQ(watch.deadline_ns(), 1100);
  EXPECT_FALSE(watch.Expired(1099));
  EXPECT_TRUE(watch.Expired(1100));
}

TEST(CallWatch, KeepsItsBeginningOverFurtherRestarts) {
  CallWatch watch(kCall, 100, 1000);
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false));
  EXPECT_TRUE(watch.OnSyscallStop(kCall, true));
  EXPECT_TRUE(watch.interrupted());
  watch.Restart();
  EXPECT_FALSE(watch.interrupted());
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false));
  EXPECT_EQ(watch.deadline_ns(), 1100);
}

TEST(CallWatch, EndsWhenTheCallReturns) {
  CallWatch watch(kCall, 100, 1000);
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false));
  EXPECT_FALSE(watch.OnSyscallStop(kCall, false));
}

TEST(CallWatch, EndsWhenEintrHasReachedTheProgram) {
  CallWatch watch(kCall, 100, 1000);
  EXPECT_TRUE(watch.OnSyscallStop(kCall, false));
  EXPECT_TRUE(watch.OnSyscallStop(kCall, true));
  EXPECT_FALSE(watch.OnSyscallStop(kCall, false));
}

TEST(CallWatch, EndsAtAnotherCall) {
  CallWatch watch(kCall, 100, 1000);
  EXPECT_FALSE(watch.OnSyscallStop(kOther, false));
}

}  // namespace
}  // namespace zxctl
