// A suspend is invisible to a program that is blocked in a system call. Every cell is a twin: the same call with the same
// end, once in a process that is suspended again and again, once in one that nobody knows of, at the same time.
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "live/blocking_calls.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/tasks.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

// An emulated machine is not attached to in less than a second.
const int kTimeoutMs = IsEmulated() ? 6'000 : 400;
constexpr int kSuspends = 5;
// How late a call may end, beyond what it had waited before its first suspend.
const int64_t kLateNs = (IsEmulated() ? 1'000 : 50) * kNsPerMs;

timespec Span(int64_t ns) { return {.tv_sec = ns / kNsPerSec, .tv_nsec = ns % kNsPerSec}; }

// Programs that have to get a CPU one after the other at the end of a watched call's time: the tracer for its timer, the
// thread for the interrupt, the tracer for the stop and the thread for the result; and the thread twice more for each of
// the suspends, which the calls that count their own time do not see.
constexpr int kTurns = 4 + 2 * kSuspends;

enum class End {
  kEvent,         // what it waits for happens
  kTimeout,       // its time passes
  kSignalDuring,  // a signal that the program catches comes while it is suspended
  kSignalAfter,   // it comes after the last suspend
};

struct Cell {
  End end;
  std::string disposition;  // of SIGUSR1, as target_blocking takes it
};

const std::vector<Cell> kEventCells = {
    {.end = End::kEvent, .disposition = "ignore"},         {.end = End::kSignalDuring, .disposition = "handler"},
    {.end = End::kSignalDuring, .disposition = "restart"}, {.end = End::kSignalAfter, .disposition = "handler"},
    {.end = End::kSignalAfter, .disposition = "restart"},
};

// How late this machine lets a thread run that wants to: the longest delay of one that asks all the time.
class Canary {
 public:
  Canary() : thread_([this] { Run(); }) {}
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;
  ~Canary() {
    done_ = true;
    thread_.join();
  }
  // What is added to the time of a call for those who had to get a CPU for it: the longest delay, for so many turns, and all
  // delays of its tracer, which the scheduler counts in a group of its own.
  [[nodiscard]] int64_t SlackNs(pid_t tracer) const { return kTurns * worst_ns_ + RunDelayOf(tracer); }

 private:
  // How long a process has waited for a CPU since it began.
  static int64_t RunDelayOf(pid_t pid) {
    std::istringstream words(ProcText(pid, "schedstat"));
    int64_t ran_ns = 0;
    int64_t waited_ns = 0;
    words >> ran_ns >> waited_ns;
    return waited_ns;
  }
  void Run() {
    constexpr timespec kNap{.tv_sec = 0, .tv_nsec = kNsPerMs};
    while (!done_) {
      const int64_t before = MonotonicNs();
      nanosleep(&kNap, nullptr);
      worst_ns_ = std::max<int64_t>(worst_ns_, MonotonicNs() - before - kNsPerMs);
    }
  }

  std::atomic<bool> done_ = false;
  std::atomic<int64_t> worst_ns_ = 0;
  std::thread thread_;
};

// One program in one cell.
class Twin {
 public:
  Twin(const BlockingCall& call, const Cell& cell)
      : child_({TargetPath(call.program), call.name,
                cell.end == End::kTimeout ? std::to_string(kTimeoutMs) : (call.has_timeout ? "80000" : "0"),
                cell.disposition},
               {.keep_stdin_open = true}),
        pidfd_(OpenPidfd(child_.pid())) {}

  // It is about to enter its call.
  void AwaitAnnounced() { EXPECT_TRUE(child_.Expect("blocked ")) << child_.err(); }
  void TakeUp(uint32_t options) {
    process_ = Attach(child_.pid(), options);
    tracer_ = TracerOf(child_.pid());
    thread_ = LeaderOf(process_);
  }
  void AwaitBlocked() const {
    EXPECT_TRUE(WaitUntil([&] { return Ended() || BlockedCallOf(child_.pid()).has_value(); }));
  }
  // Suspends it, once it is blocked, does what is to be done meanwhile and lets it go.
  void SuspendOnce(const std::function<void()>& meanwhile) {
    AwaitBlocked();
    if (Ended()) return;
    const TaskHandle token = Suspend(thread_);
    if (Await(thread_, ZX_THREAD_SUSPENDED | ZX_THREAD_TERMINATED) != ZX_THREAD_SUSPENDED) return;
    if (first_suspend_ns_ == 0) first_suspend_ns_ = MonotonicNs();
    ++suspends_;
    meanwhile();
  }
  // Has it make a thread, which goes again, once it is blocked, or while it takes a signal there.
  void LendOnce(bool with_signal = false) {
    AwaitBlocked();
    if (Ended()) return;
    if (with_signal) Signal();
    if (first_suspend_ns_ == 0) first_suspend_ns_ = MonotonicNs();
    zx_handle_t made = ZX_HANDLE_INVALID;
    const zx_status_t status = zx_thread_create(process_.get(), "made", 4, 0, &made);
    // It may have come to its end meanwhile.
    EXPECT_TRUE(status == ZX_OK || status == ZX_ERR_BAD_STATE) << zxl_last_error();
    zx_handle_close(made);
    ++suspends_;
  }
  void Signal() const { child_.Signal(SIGUSR1); }
  void AwaitCaught() { EXPECT_TRUE(child_.Expect("caught")) << child_.err(); }
  void Complete() { child_.Send("g"); }
  [[nodiscard]] bool Ended() const { return ProcessGone(pidfd_, 0); }
  Outcome Finish() { return child_.Finish(); }
  [[nodiscard]] int suspends() const { return suspends_; }
  [[nodiscard]] pid_t tracer() const { return tracer_; }
  [[nodiscard]] int64_t first_suspend_ns() const { return first_suspend_ns_; }

 private:
  ChildProcess child_;
  UniqueFd pidfd_;
  TaskHandle process_;
  TaskHandle thread_;
  int suspends_ = 0;
  pid_t tracer_ = 0;
  int64_t first_suspend_ns_ = 0;
};

struct Pair {
  Cell cell;
  std::unique_ptr<Twin> bare;
  std::unique_ptr<Twin> suspended;
};

std::vector<Pair> Start(const BlockingCall& call, const std::vector<Cell>& cells, uint32_t options = 0) {
  std::vector<Pair> pairs;
  for (const Cell& cell : cells) {
    pairs.push_back({cell, std::make_unique<Twin>(call, cell), std::make_unique<Twin>(call, cell)});
  }
  for (Pair& pair : pairs) {
    pair.bare->AwaitAnnounced();
    pair.suspended->AwaitAnnounced();
    pair.suspended->TakeUp(options);
  }
  return pairs;
}

int64_t NumberAfter(const std::string& out, const std::string& word) {
  const size_t at = out.find(word + " ");
  return at == std::string::npos ? -1 : std::atoll(out.c_str() + at + word.size() + 1);
}

std::string ResultOf(const Outcome& outcome) {
  return Replaced(outcome.out, "(blocked|elapsed-ms|began-ns) [0-9]+\n", "");
}

void ExpectSameEnd(const Pair& pair, const Outcome& bare, const Outcome& suspended) {
  SCOPED_TRACE("SIGUSR1: " + pair.cell.disposition + ", end " + std::to_string(static_cast<int>(pair.cell.end)));
  EXPECT_EQ(DescribeStatus(bare.status), "exit 0") << bare.err;
  EXPECT_EQ(DescribeStatus(suspended.status), "exit 0") << suspended.err;
  EXPECT_EQ(ResultOf(bare), ResultOf(suspended));
}

class SuspendedCallWithEvent : public ::testing::TestWithParam<BlockingCall> {};
class SuspendedCallWithTimeout : public ::testing::TestWithParam<BlockingCall> {};

// What is done to the twin again and again; the last time, in some cells, with a signal in the middle.
using Disturb = void (*)(Twin& twin, bool with_signal);

void SuspendWith(Twin& twin, bool with_signal) {
  twin.SuspendOnce([&] {
    if (with_signal) twin.Signal();
  });
}

void LendWith(Twin& twin, bool with_signal) { twin.LendOnce(with_signal); }

void ExpectWhatTheTwinReturns(const BlockingCall& call, Disturb disturb) {
  std::vector<Pair> pairs = Start(call, kEventCells);
  for (int round = 1; round <= kSuspends; ++round) {
    for (const Pair& pair : pairs) {
      disturb(*pair.suspended, round == kSuspends && pair.cell.end == End::kSignalDuring);
    }
  }
  for (const Pair& pair : pairs) {
    EXPECT_EQ(pair.suspended->suspends(), kSuspends);
    if (pair.cell.end == End::kEvent) continue;
    pair.bare->AwaitBlocked();
    pair.bare->Signal();
    if (pair.cell.end == End::kSignalAfter) {
      pair.suspended->AwaitBlocked();
      pair.suspended->Signal();
    }
    pair.bare->AwaitCaught();
    pair.suspended->AwaitCaught();
  }
  for (const Pair& pair : pairs) {
    // Out of its handler, into the call or past it.
    for (const auto& twin : {pair.bare.get(), pair.suspended.get()}) {
      twin->AwaitBlocked();
      twin->Complete();
    }
  }
  for (const Pair& pair : pairs) ExpectSameEnd(pair, pair.bare->Finish(), pair.suspended->Finish());
}

TEST_P(SuspendedCallWithEvent, ReturnsWhatTheTwinReturns) { ExpectWhatTheTwinReturns(GetParam(), SuspendWith); }

TEST_P(SuspendedCallWithEvent, AlsoWhenItsThreadLendsItself) { ExpectWhatTheTwinReturns(GetParam(), LendWith); }

TEST_P(SuspendedCallWithTimeout, IsNeverEarlyAndLateByNoMoreThanItHadWaitedBefore) {
  const Canary canary;
  const std::vector<Pair> pairs = Start(GetParam(), {{.end = End::kTimeout, .disposition = "ignore"}});
  const Pair& pair = pairs.front();
  const timespec between = Span(kTimeoutMs * kNsPerMs / (kSuspends + 2));
  for (int round = 0; round < kSuspends; ++round) {
    nanosleep(&between, nullptr);
    pair.suspended->SuspendOnce([] {});
  }
  const Outcome bare = pair.bare->Finish();
  const Outcome suspended = pair.suspended->Finish();
  ExpectSameEnd(pair, bare, suspended);
  EXPECT_EQ(suspended.out.find("early 1"), std::string::npos) << suspended.out;
  const int64_t waited = pair.suspended->first_suspend_ns() - NumberAfter(suspended.out, "began-ns");
  const int64_t elapsed = NumberAfter(suspended.out, "elapsed-ms") * kNsPerMs;
  const int64_t slack = canary.SlackNs(pair.suspended->tracer());
  EXPECT_LE(elapsed, kTimeoutMs * kNsPerMs + waited + kLateNs + slack)
      << "suspends: " << pair.suspended->suspends() << ", waited before the first: " << waited
      << " ns, bare: " << bare.out;
  RecordProperty("late_us", static_cast<int>((elapsed - kTimeoutMs * kNsPerMs) / kNsPerUs));
  RecordProperty("suspends", pair.suspended->suspends());
}

TEST_P(SuspendedCallWithTimeout, IsNeverEarlyWhenItsThreadLendsItself) {
  const Canary canary;
  const std::vector<Pair> pairs = Start(GetParam(), {{.end = End::kTimeout, .disposition = "ignore"}});
  const Pair& pair = pairs.front();
  for (int round = 0; round < kSuspends; ++round) pair.suspended->LendOnce();
  const Outcome bare = pair.bare->Finish();
  const Outcome suspended = pair.suspended->Finish();
  ExpectSameEnd(pair, bare, suspended);
  EXPECT_EQ(suspended.out.find("early 1"), std::string::npos) << suspended.out;
  const int64_t waited = pair.suspended->first_suspend_ns() - NumberAfter(suspended.out, "began-ns");
  const int64_t elapsed = NumberAfter(suspended.out, "elapsed-ms") * kNsPerMs;
  EXPECT_LE(elapsed, kTimeoutMs * kNsPerMs + waited + kLateNs + canary.SlackNs(pair.suspended->tracer()))
      << "loans: " << pair.suspended->suspends() << ", bare: " << bare.out;
}

// However long it had waited before. Returns by how much it was late beyond what may be.
int64_t ExcessOfExactTimeout(const BlockingCall& call) {
  const Canary canary;
  const std::vector<Pair> pairs =
      Start(call, {{.end = End::kTimeout, .disposition = "ignore"}}, ZXL_ATTACH_EXACT_TIMEOUTS);
  const Pair& pair = pairs.front();
  const timespec before = Span(kTimeoutMs * kNsPerMs / 2);
  nanosleep(&before, nullptr);
  for (int round = 0; round < kSuspends; ++round) pair.suspended->SuspendOnce([] {});
  const Outcome bare = pair.bare->Finish();
  const Outcome suspended = pair.suspended->Finish();
  ExpectSameEnd(pair, bare, suspended);
  EXPECT_EQ(suspended.out.find("early 1"), std::string::npos) << suspended.out;
  const int64_t elapsed = NumberAfter(suspended.out, "elapsed-ms") * kNsPerMs;
  testing::Test::RecordProperty("late_us", static_cast<int>((elapsed - kTimeoutMs * kNsPerMs) / kNsPerUs));
  return elapsed - kTimeoutMs * kNsPerMs - kLateNs - canary.SlackNs(pair.suspended->tracer());
}

// A thread that wakes on another CPU than it slept on, as it does when CPUs are busy, may keep its secret.
TEST_P(SuspendedCallWithTimeout, IsNotLateIfThatIsAskedFor) {
  constexpr int kTries = 10;
  int64_t excess = ExcessOfExactTimeout(GetParam());
  for (int tries = 1; excess > 0 && tries < kTries; ++tries) excess = ExcessOfExactTimeout(GetParam());
  EXPECT_LE(excess, 0) << "ns, the last of " << kTries << " times";
}

// The time that it is suspended counts.
TEST_P(SuspendedCallWithTimeout, EndsAtOnceWhenItsTimeHasPassedMeanwhile) {
  const Canary canary;
  const std::vector<Pair> pairs = Start(GetParam(), {{.end = End::kTimeout, .disposition = "ignore"}});
  const Pair& pair = pairs.front();
  int64_t released_ns = 0;
  pair.suspended->SuspendOnce([&] {
    const int64_t over = pair.suspended->first_suspend_ns() + kTimeoutMs * kNsPerMs;
    const timespec end = Span(over);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr);
    released_ns = MonotonicNs();
  });
  const Outcome bare = pair.bare->Finish();
  const Outcome suspended = pair.suspended->Finish();
  ExpectSameEnd(pair, bare, suspended);
  EXPECT_EQ(suspended.out.find("early 1"), std::string::npos) << suspended.out;
  ASSERT_EQ(pair.suspended->suspends(), 1);
  const int64_t elapsed = NumberAfter(suspended.out, "elapsed-ms") * kNsPerMs;
  const int64_t released_after = released_ns - NumberAfter(suspended.out, "began-ns");
  EXPECT_LE(elapsed, released_after + kLateNs + canary.SlackNs(pair.suspended->tracer()));
}

INSTANTIATE_TEST_SUITE_P(Calls, SuspendedCallWithEvent,
                         ::testing::ValuesIn(Those(BlockingCalls(), &BlockingCall::has_event)), CallName);
INSTANTIATE_TEST_SUITE_P(Calls, SuspendedCallWithTimeout,
                         ::testing::ValuesIn(Those(BlockingCalls(), &BlockingCall::has_timeout)), CallName);

}  // namespace
}  // namespace zxctl::test
