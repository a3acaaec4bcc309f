#include "supervisor/stop_finder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "support/fake_ptrace_ops.h"

namespace zxctl {
namespace {

constexpr int kSignalStop = (SIGUSR1 << 8) | 0x7f;

// Many tracees, one SIGCHLD slot: a stop while one is pending goes unnamed, as in the kernel.
class Crowd {
 public:
  explicit Crowd(int count) {
    ops.clock = &clock;
    ops.wait_cost_ns = 400;
    ops.wait_any_cost_ns = 45;
    for (pid_t tid = 1; tid <= count; ++tid) ops.tracees[tid].tgid = 1;
  }

  StopFinder Finder() {
    StopFinder finder(ops, clock, [this] {
      std::vector<pid_t> tids;
      for (const auto& [tid, tracee] : ops.tracees) tids.push_back(tid);
      return tids;
    });
    finder.SetPopulation(ops.tracees.size());
    // That of the newcomers.
    while (finder.scan_due_ns() != kNever) {
      clock.now_ns = finder.scan_due_ns();
      (void)finder.TakeOwed(false);
    }
    return finder;
  }

  void Stop(pid_t tid) {
    ops.tracees[tid].statuses.push_back(kSignalStop);
    stopped_at.emplace(tid, clock.now_ns);
    if (!pending) pending = tid;
  }

  void Exit(pid_t tid) { ops.tracees[tid].statuses.push_back(0); }

  // One turn of the wait loop; the tid whose stop was found, 0 if none was.
  pid_t Turn(StopFinder& finder) {
    WaitResult found = finder.TakeOwed(false);
    if (found.tid == 0) found = finder.TakeExpected();
    if (found.tid == 0) found = finder.TakeRecent();
    if (found.tid == 0 && pending) {
      const pid_t named = *pending;
      pending.reset();
      found = finder.TakeNamed(named);
    }
    if (found.tid == 0) found = finder.TakeOwed(true);
    if (found.tid == 0) {
      clock.now_ns += 20 * kNsPerUs;
      return 0;
    }
    longest_ns = std::max(longest_ns, clock.now_ns - stopped_at.at(found.tid));
    stopped_at.erase(found.tid);
    return found.tid;
  }

  FakeClock clock;
  FakePtraceOps ops;
  std::optional<pid_t> pending;
  std::map<pid_t, int64_t> stopped_at;
  int64_t longest_ns = 0;
};

TEST(StopFinder, TakesTheNamedStopWithoutLookingAtOthers) {
  Crowd crowd(1000);
  StopFinder finder = crowd.Finder();
  crowd.Stop(500);
  const int64_t before = crowd.clock.now_ns;
  EXPECT_EQ(crowd.Turn(finder), 500);
  EXPECT_EQ(crowd.clock.now_ns - before, crowd.ops.wait_cost_ns);
}

TEST(StopFinder, FindsAStopThatNoSigchldNamed) {
  Crowd crowd(1000);
  StopFinder finder = crowd.Finder();
  crowd.Stop(500);
  crowd.Stop(700);
  EXPECT_EQ(crowd.Turn(finder), 500);
  pid_t found = 0;
  for (int turn = 0; turn < 1000 && found == 0; ++turn) found = crowd.Turn(finder);
  EXPECT_EQ(found, 700);
}

TEST(StopFinder, OwesNoScanWhenNothingHappens) {
  Crowd crowd(10);
  StopFinder finder = crowd.Finder();
  EXPECT_EQ(finder.scan_due_ns(), kNever);
  crowd.Stop(3);
  EXPECT_EQ(crowd.Turn(finder), 3);
  EXPECT_NE(finder.scan_due_ns(), kNever);
  for (int turn = 0; turn < 1000 && finder.scan_due_ns() != kNever; ++turn) (void)crowd.Turn(finder);
  EXPECT_EQ(finder.scan_due_ns(), kNever);
}

// 64 hot threads among 4,000, stopping at random while others are dealt with.
TEST(StopFinder, LosesNoStopAndIsNotLaterThanFiveMilliseconds) {
  constexpr int kHot = 64;
  constexpr int kEvents = 20000;
  Crowd crowd(4000);
  StopFinder finder = crowd.Finder();
  std::mt19937 random(7);
  int sent = 0;
  int found = 0;
  while (found < kEvents) {
    for (int burst = static_cast<int>(random() % 4); burst > 0 && sent < kEvents; --burst) {
      const pid_t tid = 1 + static_cast<pid_t>(random() % kHot) * 61;
      if (crowd.stopped_at.contains(tid)) continue;
      crowd.Stop(tid);
      ++sent;
    }
    if (crowd.Turn(finder) != 0) ++found;
    crowd.clock.now_ns += 8 * kNsPerUs;
    if (sent == kEvents && crowd.stopped_at.empty()) break;
  }
  EXPECT_EQ(found, sent);
  EXPECT_TRUE(crowd.stopped_at.empty());
  EXPECT_LE(crowd.longest_ns, 5 * kNsPerMs);
}

TEST(StopFinder, CostsOneHotThreadTheSameAmongFewAndMany) {
  const auto cost = [](int tracees) {
    Crowd crowd(tracees);
    StopFinder finder = crowd.Finder();
    const int64_t before = crowd.clock.now_ns;
    constexpr int kEvents = 5000;
    for (int i = 0; i < kEvents; ++i) {
      crowd.Stop(tracees / 2 + 1);
      while (crowd.Turn(finder) == 0) {
      }
      crowd.clock.now_ns += 10 * kNsPerUs;
    }
    return (crowd.clock.now_ns - before) / kEvents;
  };
  EXPECT_LE(static_cast<double>(cost(4000)), 1.5 * static_cast<double>(cost(1)));
}

TEST(StopFinder, TheOnlyOneLeftIsNotHiddenByAStaleName) {
  Crowd crowd(2);
  StopFinder finder = crowd.Finder();
  finder.SetPopulation(1);
  finder.OweScan();
  EXPECT_EQ(crowd.Turn(finder), 0);  // pays what is owed
  crowd.pending = 1;                 // of a task that was dealt with already
  crowd.stopped_at.emplace(2, crowd.clock.now_ns);
  crowd.ops.tracees[2].statuses.push_back(kSignalStop);
  pid_t found = 0;
  for (int turn = 0; turn < 1000 && found == 0; ++turn) found = crowd.Turn(finder);
  EXPECT_EQ(found, 2);
}

TEST(StopFinder, AsksNoMoreForTheDead) {
  Crowd crowd(1000);
  StopFinder finder = crowd.Finder();
  for (pid_t tid = 1; tid <= 100; ++tid) {
    crowd.Stop(tid);
    ASSERT_EQ(crowd.Turn(finder), tid);
    crowd.Exit(tid);
    ASSERT_EQ(finder.TakeNamed(tid).tid, tid);
    crowd.ops.tracees.erase(tid);
  }
  finder.OweScan();
  const int64_t before = crowd.clock.now_ns;
  EXPECT_EQ(finder.TakeOwed(false).tid, 0);
  EXPECT_LE(crowd.clock.now_ns - before, 1000 * crowd.ops.wait_any_cost_ns);
}

// A child is born while its creator goes: there is one child before and after, but it is another.
TEST(StopFinder, TheOnlyOneLeftIsLookedForWhenItIsANewOne) {
  Crowd crowd(2);
  StopFinder finder = crowd.Finder();
  finder.SetPopulation(1, 1);
  // It stops all the time, and nothing is owed for it.
  crowd.Stop(1);
  EXPECT_EQ(crowd.Turn(finder), 1);
  finder.OweScan();
  EXPECT_EQ(crowd.Turn(finder), 0);
  crowd.Stop(1);
  crowd.Stop(2);  // its SIGCHLD is lost
  EXPECT_EQ(crowd.Turn(finder), 1);
  crowd.ops.tracees[1].dead = true;
  finder.SetPopulation(1, 2);
  pid_t found = 0;
  for (int turn = 0; turn < 1000 && found == 0; ++turn) found = crowd.Turn(finder);
  EXPECT_EQ(found, 2);
}

TEST(StopFinder, LikelyStopIsAnybodysAmongFewAndTheLastOnesAmongMany) {
  Crowd crowd(100);
  StopFinder finder = crowd.Finder();
  finder.SetPopulation(100);
  crowd.Stop(7);
  EXPECT_EQ(crowd.Turn(finder), 7);
  crowd.Stop(8);
  EXPECT_EQ(finder.TakeLikely().tid, 0);
  crowd.Stop(7);
  EXPECT_EQ(finder.TakeLikely().tid, 7);
  finder.SetPopulation(3);
  EXPECT_EQ(finder.TakeLikely().tid, 8);
}

// Hot threads stop again while a scan walks past thousands of cold ones: the scan takes them along.
TEST(StopFinder, ScanFindsManyColdStopsWithinAFewMilliseconds) {
  Crowd crowd(4000);
  StopFinder finder = crowd.Finder();
  for (pid_t tid = 2000; tid < 2060; ++tid) crowd.Stop(tid);
  int found = 0;
  for (int turn = 0; turn < 1000 && found < 60; ++turn) found += crowd.Turn(finder) != 0 ? 1 : 0;
  EXPECT_EQ(found, 60);
  EXPECT_LE(crowd.longest_ns, 5 * kNsPerMs);
}

// ---- stops that were asked for --------------------------------------------------------------------------------------

// All threads of a process are interrupted: each stop costs about one look, however many there are.
TEST(StopFinder, CostsEachOfManyThatWereAskedToStopTheSame) {
  const auto cost = [](int tracees) {
    Crowd crowd(tracees);
    StopFinder finder = crowd.Finder();
    for (pid_t tid = 1; tid <= tracees; ++tid) finder.Expect(tid);
    for (pid_t tid = 1; tid <= tracees; ++tid) crowd.Stop(tid);
    const int64_t before = crowd.clock.now_ns;
    for (pid_t tid = 1; tid <= tracees; ++tid) EXPECT_EQ(crowd.Turn(finder), tid);
    return (crowd.clock.now_ns - before) / tracees;
  };
  EXPECT_LE(cost(100), 400);
  EXPECT_LE(cost(4000), 450);
}

TEST(StopFinder, AStopThatWasAskedForMakesNobodyHot) {
  Crowd crowd(1000);
  StopFinder finder = crowd.Finder();
  for (pid_t tid = 1; tid <= 100; ++tid) finder.Expect(tid);
  for (pid_t tid = 1; tid <= 100; ++tid) crowd.Stop(tid);
  for (pid_t tid = 1; tid <= 100; ++tid) ASSERT_EQ(crowd.Turn(finder), tid);
  // Of two that stop now one goes unnamed, as in a crowd. The next looks are not for those that stand.
  crowd.Stop(500);
  crowd.Stop(501);
  while (!crowd.stopped_at.empty()) (void)crowd.Turn(finder);
  const int64_t before = crowd.clock.now_ns;
  (void)finder.TakeRecent();
  EXPECT_LE(crowd.clock.now_ns - before, 2 * crowd.ops.wait_cost_ns);
}

// Those who come out of order, and one who never comes, keep nobody back.
TEST(StopFinder, FindsAllThatWereAskedToStopButOne) {
  Crowd crowd(200);
  StopFinder finder = crowd.Finder();
  std::vector<pid_t> order;
  for (pid_t tid = 1; tid <= 200; ++tid) finder.Expect(tid);
  for (pid_t tid = 2; tid <= 200; ++tid) order.push_back(tid);
  std::shuffle(order.begin(), order.end(), std::mt19937(3));
  size_t found = 0;
  for (const pid_t tid : order) {
    crowd.Stop(tid);
    for (int turns = 0; turns < 2; ++turns) found += crowd.Turn(finder) != 0 ? 1 : 0;
  }
  for (int turn = 0; turn < 2000 && found < order.size(); ++turn) found += crowd.Turn(finder) != 0 ? 1 : 0;
  EXPECT_EQ(found, order.size());
  EXPECT_LE(crowd.longest_ns, StopFinder::kMaxCrowdDelayNs + 2 * kNsPerMs);
}

// Nobody names it, and those that are on their way hide it.
TEST(StopFinder, FindsAnotherWhileManyAreOnTheirWay) {
  Crowd crowd(1000);
  StopFinder finder = crowd.Finder();
  for (pid_t tid = 1; tid <= 900; ++tid) finder.Expect(tid);
  pid_t next = 1;
  crowd.Stop(next);
  crowd.Stop(950);
  bool found = false;
  for (int turn = 0; turn < 2000 && !found; ++turn) {
    found = crowd.Turn(finder) == 950;
    if (++next <= 900) crowd.Stop(next);
    crowd.clock.now_ns += 20 * kNsPerUs;
  }
  EXPECT_TRUE(found);
  EXPECT_LE(crowd.longest_ns, StopFinder::kMaxCrowdDelayNs + 3 * kNsPerMs);
}

TEST(StopFinder, WaitsForNobodyThatDoesNotCome) {
  Crowd crowd(100);
  StopFinder finder = crowd.Finder();
  for (pid_t tid = 1; tid <= 50; ++tid) finder.Expect(tid);
  EXPECT_TRUE(finder.expects_many());
  for (int turn = 0; turn < 2000 && finder.expects_many(); ++turn) EXPECT_EQ(crowd.Turn(finder), 0);
  EXPECT_FALSE(finder.expects_many());
  crowd.Stop(7);
  EXPECT_EQ(crowd.Turn(finder), 7);
}

TEST(StopFinder, KnowsWhenThereAreNoChildren) {
  FakeClock clock;
  FakePtraceOps ops;
  StopFinder finder(ops, clock, [] { return std::vector<pid_t>(); });
  finder.OweScan();
  EXPECT_EQ(finder.TakeOwed(false).tid, 0);
  EXPECT_TRUE(finder.no_children());
}

}  // namespace
}  // namespace zxctl
