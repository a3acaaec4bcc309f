#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "object/job.h"
#include "object/wait.h"

namespace zxctl {
namespace {

struct Watched {
  HandleTable handles;
  RefPtr<Job> job = Job::CreateRoot();
  zx_handle_t handle = ZX_HANDLE_INVALID;

  Watched() { EXPECT_EQ(handles.Add(RefPtr<Job>(job), Job::kRights, &handle), ZX_OK); }
  WaitTarget Target(zx_signals_t waitfor) { return {.object = job, .handle = handle, .waitfor = waitfor}; }
};

TEST(Signals, AreClearedFirstAndThenSet) {
  Watched w;
  w.job->UpdateSignals(ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1);
  EXPECT_EQ(w.job->signals() & ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1);
  w.job->UpdateSignals(ZX_USER_SIGNAL_1, 0);
  EXPECT_EQ(w.job->signals() & ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_0);
}

TEST(WaitMany, IsOverAtOnceWhenASignalIsThere) {
  Watched w;
  std::array targets = {w.Target(ZX_USER_SIGNAL_0), w.Target(ZX_JOB_NO_JOBS)};
  EXPECT_EQ(WaitMany(w.handles, targets, ZX_TIME_INFINITE), ZX_OK);
  EXPECT_EQ(targets[0].pending, ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
  EXPECT_EQ(targets[1].pending, ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
}

TEST(WaitMany, AtAPassedDeadlineOnlyLooks) {
  Watched w;
  std::array targets = {w.Target(ZX_USER_SIGNAL_0)};
  for (const zx_time_t deadline : {zx_time_t{0}, ZX_TIME_INFINITE_PAST, MonotonicNs()}) {
    EXPECT_EQ(WaitMany(w.handles, targets, deadline), ZX_ERR_TIMED_OUT);
    EXPECT_EQ(targets[0].pending, ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
  }
  w.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
  EXPECT_EQ(WaitMany(w.handles, targets, 0), ZX_OK);
}

TEST(WaitMany, EndsAtItsDeadlineAndNotBefore) {
  Watched w;
  std::array targets = {w.Target(ZX_USER_SIGNAL_0)};
  const int64_t deadline = MonotonicNs() + 5 * kNsPerMs;
  EXPECT_EQ(WaitMany(w.handles, targets, deadline), ZX_ERR_TIMED_OUT);
  EXPECT_GE(MonotonicNs(), deadline);
}

TEST(WaitMany, OfNothingSleepsUntilItsDeadline) {
  const HandleTable handles;
  const int64_t deadline = MonotonicNs() + kNsPerMs;
  EXPECT_EQ(WaitMany(handles, {}, deadline), ZX_ERR_TIMED_OUT);
  EXPECT_GE(MonotonicNs(), deadline);
}

TEST(WaitMany, OfNoSignalTimesOut) {
  Watched w;
  std::array targets = {w.Target(0)};
  EXPECT_EQ(WaitMany(w.handles, targets, 0), ZX_ERR_TIMED_OUT);
}

TEST(WaitMany, OfAHandleThatWasClosedJustBeforeIsCanceled) {
  Watched w;
  std::array targets = {w.Target(ZX_USER_SIGNAL_0)};
  ASSERT_EQ(w.handles.Close(w.handle), ZX_OK);
  EXPECT_EQ(WaitMany(w.handles, targets, ZX_TIME_INFINITE), ZX_ERR_CANCELED);
  EXPECT_EQ(targets[0].pending & ZX_SIGNAL_HANDLE_CLOSED, ZX_SIGNAL_HANDLE_CLOSED);
}

TEST(Name, IsCutAtThirtyOneBytesAndAtAZero) {
  const auto job = Job::CreateRoot();
  const auto name = [&job](std::string_view text) {
    job->SetName(text);
    std::array<char, ZX_MAX_NAME_LEN> out;
    out.fill('x');
    job->GetName(out);
    EXPECT_EQ(out.back(), '\0');
    return std::string(out.data());
  };
  EXPECT_EQ(name("short"), "short");
  EXPECT_EQ(name(std::string(31, 'a')), std::string(31, 'a'));
  EXPECT_EQ(name(std::string(40, 'b')), std::string(31, 'b'));
  EXPECT_EQ(name(std::string_view("ab\0cd", 5)), "ab");
  EXPECT_EQ(name(""), "");
}

}  // namespace
}  // namespace zxctl
