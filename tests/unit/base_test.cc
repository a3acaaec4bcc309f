#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "base/duration.h"
#include "base/proc_file.h"
#include "base/status.h"
#include "base/timer_queue.h"
#include "base/unique_fd.h"

namespace zxctl {
namespace {

TEST(ParseDuration, TakesUnitsAndBareSeconds) {
  EXPECT_EQ(ParseDuration("500ms").value(), 500 * kNsPerMs);
  EXPECT_EQ(ParseDuration("30s").value(), 30 * kNsPerSec);
  EXPECT_EQ(ParseDuration("2m").value(), 120 * kNsPerSec);
  EXPECT_EQ(ParseDuration("1h").value(), 3600 * kNsPerSec);
  EXPECT_EQ(ParseDuration("7").value(), 7 * kNsPerSec);
  EXPECT_EQ(ParseDuration("1.5").value(), 1500 * kNsPerMs);
  EXPECT_EQ(ParseDuration("0").value(), 0);
}

TEST(ParseDuration, RefusesTheRestInWords) {
  for (const char* text : {"", "s", "-1", "1x", "1 s", "nan", "inf", "1e400", "99999999999999", "1ms2", "0x10"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().zx, ZX_ERR_INVALID_ARGS);
    EXPECT_NE(parsed.error().what.find("500ms"), std::string::npos) << text;
  }
}

TEST(TimerQueue, RunsWhatIsDueInOrder) {
  TimerQueue timers;
  std::vector<int> ran;
  timers.Add(20, [&] { ran.push_back(2); });
  timers.Add(10, [&] { ran.push_back(1); });
  timers.Add(30, [&] { ran.push_back(3); });
  EXPECT_EQ(timers.next_deadline(), 10);
  timers.RunDue(20);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  EXPECT_EQ(timers.next_deadline(), 30);
}

TEST(TimerQueue, ForgetsWhatIsCancelledAlsoFromWithinAnAction) {
  TimerQueue timers;
  bool ran = false;
  const auto second = timers.Add(2, [&] { ran = true; });
  timers.Add(1, [&] { timers.Cancel(second); });
  timers.RunDue(5);
  EXPECT_FALSE(ran);
  EXPECT_EQ(timers.next_deadline(), kNever);
  timers.Cancel(second);
  timers.Cancel(0);
}

TEST(UniqueFd, ClosesOnce) {
  const int raw = open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    UniqueFd fd(raw);
    UniqueFd other = std::move(fd);
    EXPECT_FALSE(fd.valid());
    EXPECT_EQ(other.get(), raw);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(StatusField, FindsAFieldByItsWholeName) {
  constexpr std::string_view kStatus = "Name:\tx\nTgid:\t12\nNStgid:\t12\t3\nSigIgn:\t0000000000001000\nEmpty:\n";
  EXPECT_EQ(StatusField(kStatus, "Tgid"), "12");
  EXPECT_EQ(StatusField(kStatus, "SigIgn"), "0000000000001000");
  EXPECT_EQ(StatusField(kStatus, "Empty"), "");
  EXPECT_EQ(StatusField(kStatus, "gid"), std::nullopt);
  EXPECT_EQ(StatusField(kStatus, "Sig"), std::nullopt);
}

TEST(ReadStatusNumber, ReadsOurOwnPid) {
  EXPECT_EQ(ReadStatusNumber(getpid(), "Tgid"), getpid());
  EXPECT_EQ(ReadStatusNumber(-1, "Tgid"), std::nullopt);
}

TEST(Status, NamesTheErrno) {
  const Status status = Status::FromErrno("cannot open it", EACCES, 12);
  EXPECT_EQ(status.zx, ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(status.ToString(), "cannot open it: Permission denied (EACCES) [thread 12]");
}

}  // namespace
}  // namespace zxctl
