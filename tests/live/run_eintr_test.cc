// A supervised call is interrupted exactly when it would be without supervision. Every cell is a twin: the same call, the
// same signals, the same end, with and without zxctl, at the same time.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "live/blocking_calls.h"
#include "support/proc_view.h"
#include "support/programs32.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

constexpr int kShortTimeoutMs = 400;
constexpr int kLongTimeoutMs = 80'000;
constexpr int kRoundsOfSignals = 3;
constexpr int64_t kTrainNs = 20 * kNsPerSec;

// How a blocked call comes to its end.
enum class End {
  kEvent,             // no timeout; what it waits for happens
  kEventWithTimeout,  // a timeout far away; what it waits for happens
  kTimeout,           // a short timeout passes while signals keep coming
};

struct Disturbance {
  std::string name;
  int signo;
  std::string disposition;  // of SIGUSR1, as target_blocking takes it
  bool caught = false;      // ignored signals first, then one that the program catches
};

const std::vector<Disturbance> kDisturbances = {
    {.name = "SIGCHLD at default", .signo = SIGCHLD, .disposition = "ignore"},
    {.name = "SIGWINCH at default", .signo = SIGWINCH, .disposition = "ignore"},
    {.name = "SIGURG at default", .signo = SIGURG, .disposition = "ignore"},
    {.name = "SIGUSR1 ignored", .signo = SIGUSR1, .disposition = "ignore"},
    {.name = "SIGUSR1 caught", .signo = SIGCHLD, .disposition = "handler", .caught = true},
    {.name = "SIGUSR1 caught with SA_RESTART", .signo = SIGCHLD, .disposition = "restart", .caught = true},
};

// One program in one cell.
class Twin {
 public:
  Twin(const Argv& argv) : child_(argv, {.keep_stdin_open = true}), pidfd_(OpenPidfd(child_.pid())) {}

  // The program is about to enter its call.
  void AwaitAnnounced() {
    if (!announced_) announced_ = child_.Expect("blocked ");
    EXPECT_TRUE(announced_) << child_.err();
  }
  // It sleeps in the call, or has come out of it already.
  void AwaitBlocked() {
    AwaitAnnounced();
    EXPECT_TRUE(WaitUntil([&] { return Ended() || BlockedCallOf(child_.pid()).has_value(); }));
  }
  void Signal(int signo) const { child_.Signal(signo); }
  // The program's handler has run.
  void AwaitCaught() { EXPECT_TRUE(child_.Expect("caught")) << child_.err(); }
  void Complete() { child_.Send("g"); }
  [[nodiscard]] bool Ended() const { return ProcessGone(pidfd_, 0); }
  Outcome Finish() { return child_.Finish(); }

 private:
  ChildProcess child_;
  UniqueFd pidfd_;
  bool announced_ = false;
};

struct Cell {
  const Disturbance* disturbance;
  End end;
  std::vector<std::unique_ptr<Twin>> twins;  // bare, supervised
};

std::string TimeoutArgument(End end) {
  switch (end) {
    case End::kEvent:
      return "0";
    case End::kEventWithTimeout:
      return std::to_string(kLongTimeoutMs);
    case End::kTimeout:
      return std::to_string(kShortTimeoutMs);
  }
  return "";
}

std::string EndName(End end) {
  switch (end) {
    case End::kEvent:
      return "ended by its event, no timeout";
    case End::kEventWithTimeout:
      return "ended by its event, timeout far away";
    case End::kTimeout:
      return "ended by its timeout";
  }
  return "";
}

Cell StartCell(const BlockingCall& call, const Disturbance& disturbance, End end) {
  const Argv argv = {TargetPath(call.program), call.name, TimeoutArgument(end), disturbance.disposition};
  Cell cell{.disturbance = &disturbance, .end = end, .twins = {}};
  cell.twins.push_back(std::make_unique<Twin>(argv));
  cell.twins.push_back(std::make_unique<Twin>(Supervised(argv)));
  return cell;
}

std::vector<Cell> StartCells(const BlockingCall& call, const std::vector<End>& ends) {
  std::vector<Cell> cells;
  for (const Disturbance& disturbance : kDisturbances) {
    for (const End end : ends) {
      if (end == End::kTimeout && disturbance.caught) continue;
      cells.push_back(StartCell(call, disturbance, end));
    }
  }
  return cells;
}

template <typename Action>
void ForEachTwin(std::vector<Cell>& cells, Action action) {
  for (Cell& cell : cells) {
    for (const auto& twin : cell.twins) action(cell, *twin);
  }
}

void AwaitAllBlocked(std::vector<Cell>& cells) {
  ForEachTwin(cells, [](const Cell&, Twin& twin) { twin.AwaitBlocked(); });
}

// Gives a woken thread the time to come out of its call, so that signals do not merge into one.
void Pace() {
  const timespec pause{.tv_sec = 0, .tv_nsec = 15 * kNsPerMs};
  nanosleep(&pause, nullptr);
}

void DisturbAll(std::vector<Cell>& cells) {
  for (int round = 0; round < kRoundsOfSignals; round++) {
    AwaitAllBlocked(cells);
    ForEachTwin(cells, [](const Cell& cell, Twin& twin) { twin.Signal(cell.disturbance->signo); });
    Pace();
  }
  AwaitAllBlocked(cells);
  ForEachTwin(cells, [](const Cell& cell, Twin& twin) {
    if (!cell.disturbance->caught) return;
    twin.Signal(SIGUSR1);
    twin.AwaitCaught();
  });
  Pace();
}

// Signals keep coming until every call has come to its end, so that a call that starts anew at each would never end.
void DisturbUntilEnded(std::vector<Cell>& cells) {
  ForEachTwin(cells, [](const Cell&, Twin& twin) { twin.AwaitAnnounced(); });
  const int64_t give_up = MonotonicNs() + kTrainNs;
  bool all_ended = false;
  while (!all_ended && MonotonicNs() < give_up) {
    all_ended = true;
    ForEachTwin(cells, [&](const Cell& cell, Twin& twin) {
      if (twin.Ended()) return;
      all_ended = false;
      twin.Signal(cell.disturbance->signo);
    });
    Pace();
  }
  EXPECT_TRUE(all_ended) << "a call does not end while ignored signals keep coming";
}

int ElapsedMs(const std::string& out) {
  const size_t at = out.find("elapsed-ms ");
  return at == std::string::npos ? -1 : std::atoi(out.c_str() + at + 11);
}

std::string ResultOf(const Outcome& outcome) {
  return Replaced(outcome.out, "(blocked|elapsed-ms|began-ns) [0-9]+\n", "");
}

void ExpectTwinsAgree(Cell& cell) {
  SCOPED_TRACE(cell.disturbance->name + ", " + EndName(cell.end));
  const Outcome bare = cell.twins[0]->Finish();
  const Outcome supervised = cell.twins[1]->Finish();
  EXPECT_EQ(DescribeStatus(bare.status), "exit 0") << bare.err;
  EXPECT_EQ(DescribeStatus(supervised.status), "exit 0") << supervised.err;
  EXPECT_EQ(ResultOf(bare), ResultOf(supervised));
  if (cell.end != End::kTimeout) return;
  EXPECT_EQ(ResultOf(supervised).find("early 1"), std::string::npos) << "the call ended before its timeout";
  EXPECT_LE(ElapsedMs(supervised.out), 2 * kShortTimeoutMs + 5000);
}

class BlockedCallWithEvent : public ::testing::TestWithParam<BlockingCall> {};
class BlockedCallWithTimeout : public ::testing::TestWithParam<BlockingCall> {};

TEST_P(BlockedCallWithEvent, ReturnsWhatTheBareTwinReturns) {
  std::vector<End> ends = {End::kEvent};
  if (GetParam().has_timeout) ends.push_back(End::kEventWithTimeout);
  std::vector<Cell> cells = StartCells(GetParam(), ends);
  DisturbAll(cells);
  ForEachTwin(cells, [](const Cell&, Twin& twin) { twin.Complete(); });
  for (Cell& cell : cells) ExpectTwinsAgree(cell);
}

TEST_P(BlockedCallWithTimeout, IsNeverEarlyAndEndsUnderATrainOfIgnoredSignals) {
  std::vector<Cell> cells = StartCells(GetParam(), {End::kTimeout});
  DisturbUntilEnded(cells);
  for (Cell& cell : cells) ExpectTwinsAgree(cell);
}

// The calls that the kernel's 32-bit side numbers differently and that a stray EINTR would reach.
std::vector<BlockingCall> CallsOf32BitPrograms() {
  std::vector<BlockingCall> calls;
  if (!kHasPrograms32) return calls;
  for (const char* name : {"epoll_wait", "epoll_pwait2", "recv", "accept", "rt_sigtimedwait", "semtimedop",
                           "io_getevents", "nanosleep", "poll", "futex_wait"}) {
    const bool has_event = std::string_view(name) != "nanosleep";
    calls.push_back({.name = name, .has_event = has_event, .has_timeout = true, .program = "target_blocking32"});
  }
  return calls;
}

INSTANTIATE_TEST_SUITE_P(Calls, BlockedCallWithEvent,
                         ::testing::ValuesIn(Those(BlockingCalls(), &BlockingCall::has_event)), CallName);
INSTANTIATE_TEST_SUITE_P(Calls, BlockedCallWithTimeout,
                         ::testing::ValuesIn(Those(BlockingCalls(), &BlockingCall::has_timeout)), CallName);
INSTANTIATE_TEST_SUITE_P(Calls32, BlockedCallWithEvent,
                         ::testing::ValuesIn(Those(CallsOf32BitPrograms(), &BlockingCall::has_event)), CallName);
INSTANTIATE_TEST_SUITE_P(Calls32, BlockedCallWithTimeout,
                         ::testing::ValuesIn(Those(CallsOf32BitPrograms(), &BlockingCall::has_timeout)), CallName);

}  // namespace
}  // namespace zxctl::test
