#include "supervisor/sleep_clock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "support/proc_view.h"

namespace zxctl {
namespace {

constexpr const char* kText =
    "cat (31124, #threads: 1)\n"
    "-------------------------------------------------------------------\n"
    "se.exec_start                                :      48136159.264471\n"
    "se.vruntime                                  :       5938854.027894\n"
    "nr_switches                                  :                    7\n"
    "nr_voluntary_switches                        :                    4\n"
    "nr_involuntary_switches                      :                    3\n";

TEST(ParseSchedule, ReadsWhenAndHowOften) {
  const auto schedule = ParseSchedule(kText);
  ASSERT_TRUE(schedule);
  EXPECT_EQ(schedule->exec_start_ns, 48'136'159'264'471);
  EXPECT_EQ(schedule->voluntary_switches, 4U);
}

TEST(ParseSchedule, RefusesWhatSaysLess) {
  const std::string switches = "nr_voluntary_switches : 4\n";
  for (const std::string& text :
       {std::string(), std::string("se.exec_start : 1.264471\n"), switches, "se.exec_start\n" + switches,
        "se.exec_start : 12\n" + switches, "se.exec_start : 12.5\n" + switches,
        "se.exec_start : -1.000000\n" + switches, "se.exec_start : 1.-00001\n" + switches,
        "se.exec_start : 9223372036854775807.000000\n" + switches, "se.exec_start 1.264471\n" + switches}) {
    EXPECT_FALSE(ParseSchedule(text)) << text;
  }
}

// ---- when it fell asleep ----

SleepLook Look(size_t cpu, int64_t exec_start_ns, uint64_t switches, int64_t now_ns) {
  return {.cpu = cpu, .schedule = {.exec_start_ns = exec_start_ns, .voluntary_switches = switches}, .now_ns = now_ns};
}

TEST(SleptSince, IsTheDifferenceOnOneCpusClock) {
  const auto since = SleptSince(Look(1, 5'000'000, 7, 1'000'000), Look(1, 9'000'000, 8, 10'000'000));
  ASSERT_TRUE(since);
  // Never before, and a thousandth later at most.
  EXPECT_EQ(*since, 6'000'000 + 4'000);
}

TEST(SleptSince, OfTwoCpusTheFirstOnesClockHasToBeKnown) {
  SleepLook before = Look(1, 5'000'000, 7, 1'000'000);
  const SleepLook after = Look(0, 77, 8, 10'000'000);
  EXPECT_FALSE(SleptSince(before, after));
  before.ahead_ns = 1'000'000;
  const auto since = SleptSince(before, after);
  ASSERT_TRUE(since);
  EXPECT_EQ(*since, 6'000'000 + 4'000);
}

TEST(SleptSince, OfMoreThanOneSleepNobodyKnows) {
  EXPECT_FALSE(SleptSince(Look(1, 5'000'000, 7, 1'000'000), Look(1, 9'000'000, 9, 10'000'000)));
  EXPECT_FALSE(SleptSince(Look(1, 5'000'000, 7, 1'000'000), Look(1, 9'000'000, 7, 10'000'000)));
}

TEST(SleptSince, IsNeverInTheFuture) {
  EXPECT_EQ(SleptSince(Look(1, 9'000'000, 7, 1'000'000), Look(1, 5'000'000, 8, 10'000'000)), 10'000'000);
}

class Sleeper {
 public:
  Sleeper() : thread_([this] { Run(); }) {
    EXPECT_TRUE(test::WaitUntil([&] { return LookAtSleep(getpid(), tid_).has_value(); }));
  }
  ~Sleeper() {
    writer_.Reset();
    thread_.join();
  }
  [[nodiscard]] pid_t tid() const { return tid_; }
  // Just before it went to sleep.
  [[nodiscard]] int64_t slept_ns() const { return slept_ns_; }

 private:
  void Run() {
    char byte = 0;
    slept_ns_ = MonotonicNs();
    tid_ = gettid();
    (void)!read(reader_.get(), &byte, 1);
  }

  struct Ends {
    Ends() { EXPECT_EQ(pipe(fds), 0); }
    int fds[2];
  } ends_;
  UniqueFd reader_{ends_.fds[0]};
  UniqueFd writer_{ends_.fds[1]};
  std::atomic<int64_t> slept_ns_ = 0;
  std::atomic<pid_t> tid_ = 0;
  std::thread thread_;
};

TEST(LookAtSleep, SaysTheSameForAsLongAsItSleeps) {
  if (!TellsSleep()) GTEST_SKIP() << "this kernel has no /proc/PID/sched";
  const Sleeper sleeper;
  const auto first = LookAtSleep(getpid(), sleeper.tid());
  ASSERT_TRUE(first);
  EXPECT_LE(first->now_ns, MonotonicNs());
  const int64_t later = MonotonicNs() + 50 * kNsPerMs;
  EXPECT_TRUE(test::WaitUntil([&] { return MonotonicNs() > later; }));
  const auto second = LookAtSleep(getpid(), sleeper.tid());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->cpu, first->cpu);
  EXPECT_EQ(second->schedule.exec_start_ns, first->schedule.exec_start_ns);
  EXPECT_EQ(second->schedule.voluntary_switches, first->schedule.voluntary_switches);
  // Where we were on its CPU, what its clock says is not before it fell asleep.
  for (const auto& look : {first, second}) {
    if (look->ahead_ns) {
      EXPECT_GE(look->schedule.exec_start_ns + *look->ahead_ns, sleeper.slept_ns());
    }
  }
}

TEST(LookAtSleep, OfARunningThreadThereIsNone) { EXPECT_FALSE(LookAtSleep(getpid(), gettid())); }

}  // namespace
}  // namespace zxctl
