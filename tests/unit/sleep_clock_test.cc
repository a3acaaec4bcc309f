#include "supervisor/sleep_clock.h"

#include <gtest/gtest.h>
#include <sched.h>
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

class Sleeper {
 public:
  Sleeper() : thread_([this] { Run(); }) {
    EXPECT_TRUE(test::WaitUntil([&] { return ReadSleep(getpid(), tid_).has_value(); }));
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

TEST(ReadSleep, IsNeverEarlyAndSaysTheSameLater) {
  if (!TellsSleep()) GTEST_SKIP() << "this kernel has no /proc/PID/sched";
  const Sleeper sleeper;
  const auto first = ReadSleep(getpid(), sleeper.tid());
  ASSERT_TRUE(first);
  EXPECT_GE(first->since_ns, sleeper.slept_ns());
  EXPECT_LE(first->since_ns, MonotonicNs());
  EXPECT_EQ(ReadSwitches(getpid(), sleeper.tid()), first->switches);
  const int64_t later = MonotonicNs() + 50 * kNsPerMs;
  EXPECT_TRUE(test::WaitUntil([&] { return MonotonicNs() > later; }));
  const auto second = ReadSleep(getpid(), sleeper.tid());
  ASSERT_TRUE(second);
  EXPECT_GE(second->since_ns, sleeper.slept_ns());
  EXPECT_LT(second->since_ns, later) << "the sleep has not begun anew";
  EXPECT_EQ(second->switches, first->switches);
}

TEST(ReadSleep, OfARunningThreadThereIsNone) { EXPECT_FALSE(ReadSleep(getpid(), gettid())); }

TEST(ReadSleep, LeavesTheCallersAffinityAsItWas) {
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  const Sleeper sleeper;
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace zxctl
