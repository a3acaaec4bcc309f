// Wake-ups and cancellation with real threads. A test acts once it sees the other thread asleep in its futex.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "object/job.h"
#include "object/port.h"
#include "object/wait.h"
#include "support/port_fixture.h"
#include "support/proc_view.h"

namespace zxctl {
namespace {

using test::BlockedCallOf;
using test::WaitUntil;

// A thread that a test can see sleep.
class Sleeper {
 public:
  template <typename F>
  explicit Sleeper(F body)
      : thread_([this, body] {
          tid_.store(gettid());
          body();
        }) {}
  ~Sleeper() { thread_.join(); }

  [[nodiscard]] bool IsAsleep() const {
    return WaitUntil([this] { return tid_.load() != 0 && BlockedCallOf(tid_.load()) == SYS_futex; });
  }

 private:
  std::atomic<pid_t> tid_ = 0;
  std::thread thread_;
};

using Fixture = test::PortFixture;

struct WaitResult {
  std::atomic<zx_status_t> status = 1;
  std::atomic<zx_signals_t> pending = 0;
};

auto WaitsForJob(Fixture& f, zx_handle_t handle, WaitResult& result, zx_time_t deadline = ZX_TIME_INFINITE) {
  return [&f, handle, &result, deadline] {
    std::array targets = {WaitTarget{.object = f.job, .handle = handle, .waitfor = ZX_USER_SIGNAL_0}};
    const zx_status_t status = WaitMany(f.handles, targets, deadline);
    result.pending = targets[0].pending;
    result.status = status;
  };
}

auto WaitsForPort(Port& port, std::atomic<zx_status_t>& status, std::atomic<uint64_t>& key) {
  return [&port, &status, &key] {
    zx_port_packet_t packet = {};
    const zx_status_t result = port.Wait(ZX_TIME_INFINITE, &packet);
    key = packet.key;
    status = result;
  };
}

TEST(WaitManyThreads, ASignalWakesEverybodyWhoWaitsForIt) {
  Fixture f;
  std::array<WaitResult, 20> results;  // more than one list of wakes holds
  {
    std::vector<std::unique_ptr<Sleeper>> sleepers;
    for (auto& result : results) sleepers.push_back(std::make_unique<Sleeper>(WaitsForJob(f, f.job_handle, result)));
    for (const auto& sleeper : sleepers) ASSERT_TRUE(sleeper->IsAsleep());
    f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
    f.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
  }
  for (const auto& result : results) {
    EXPECT_EQ(result.status, ZX_OK);
    EXPECT_EQ(result.pending & ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1);
  }
}

TEST(WaitManyThreads, ASignalThatIsGoneAgainHasWokenAllTheSame) {
  Fixture f;
  WaitResult result;
  {
    Sleeper sleeper(WaitsForJob(f, f.job_handle, result));
    ASSERT_TRUE(sleeper.IsAsleep());
    f.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
    f.job->UpdateSignals(ZX_USER_SIGNAL_0, 0);
  }
  EXPECT_EQ(result.status, ZX_OK);
  EXPECT_EQ(result.pending & ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_0);
}

TEST(WaitManyThreads, ClosingTheHandleCancelsItsWaitAndNoOther) {
  Fixture f;
  const zx_handle_t other = f.Open(f.job);
  WaitResult closed;
  WaitResult waiting;
  {
    Sleeper first(WaitsForJob(f, f.job_handle, closed));
    Sleeper second(WaitsForJob(f, other, waiting));
    ASSERT_TRUE(first.IsAsleep() && second.IsAsleep());
    ASSERT_EQ(f.handles.Close(f.job_handle), ZX_OK);
    ASSERT_TRUE(WaitUntil([&closed] { return closed.status.load() != 1; }));
    ASSERT_TRUE(second.IsAsleep());
    f.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
  }
  EXPECT_EQ(closed.status, ZX_ERR_CANCELED);
  EXPECT_EQ(closed.pending & (ZX_SIGNAL_HANDLE_CLOSED | ZX_USER_SIGNAL_0), ZX_SIGNAL_HANDLE_CLOSED);
  EXPECT_EQ(waiting.status, ZX_OK);
}

TEST(WaitManyThreads, ReplacingTheHandleCancelsItsWait) {
  Fixture f;
  WaitResult result;
  {
    Sleeper sleeper(WaitsForJob(f, f.job_handle, result));
    ASSERT_TRUE(sleeper.IsAsleep());
    zx_handle_t replacement = ZX_HANDLE_INVALID;
    ASSERT_EQ(f.handles.Replace(f.job_handle, ZX_RIGHT_SAME_RIGHTS, &replacement), ZX_OK);
  }
  EXPECT_EQ(result.status, ZX_ERR_CANCELED);
}

TEST(WaitManyThreads, AnyOfSeveralObjectsEndsTheWait) {
  Fixture f;
  RefPtr<Job> child;
  ASSERT_EQ(Job::Create(f.job, &child), ZX_OK);
  const zx_handle_t child_handle = f.Open(child);
  std::array targets = {WaitTarget{.object = f.job, .handle = f.job_handle, .waitfor = ZX_USER_SIGNAL_0},
                        WaitTarget{.object = child, .handle = child_handle, .waitfor = ZX_USER_SIGNAL_1}};
  zx_status_t status = 1;
  {
    Sleeper sleeper([&] { status = WaitMany(f.handles, targets, ZX_TIME_INFINITE); });
    ASSERT_TRUE(sleeper.IsAsleep());
    child->UpdateSignals(0, ZX_USER_SIGNAL_1);
  }
  EXPECT_EQ(status, ZX_OK);
  EXPECT_EQ(targets[0].pending & ZX_USER_SIGNAL_ALL, 0U);
  EXPECT_EQ(targets[1].pending & ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_1);
}

TEST(PortThreads, WaitersAreServedInTheOrderInWhichTheyCame) {
  Fixture f;
  constexpr size_t kWaiters = 5;
  std::array<std::atomic<zx_status_t>, kWaiters> status;
  std::array<std::atomic<uint64_t>, kWaiters> key;
  {
    std::vector<std::unique_ptr<Sleeper>> sleepers;
    for (size_t i = 0; i < kWaiters; ++i) {
      sleepers.push_back(std::make_unique<Sleeper>(WaitsForPort(*f.port, status[i], key[i])));
      ASSERT_TRUE(sleepers.back()->IsAsleep());
    }
    for (uint64_t i = 0; i < kWaiters; ++i) {
      zx_port_packet_t packet = {};
      packet.key = i + 100;
      ASSERT_EQ(f.port->QueueUser(packet), ZX_OK);
    }
  }
  for (size_t i = 0; i < kWaiters; ++i) {
    EXPECT_EQ(status[i], ZX_OK);
    EXPECT_EQ(key[i], i + 100);
  }
}

TEST(PortThreads, APacketWakesOneWaiterAndTheOthersSleepOn) {
  Fixture f;
  std::array<std::atomic<zx_status_t>, 2> status = {1, 1};
  std::array<std::atomic<uint64_t>, 2> key;
  {
    Sleeper first(WaitsForPort(*f.port, status[0], key[0]));
    ASSERT_TRUE(first.IsAsleep());
    Sleeper second(WaitsForPort(*f.port, status[1], key[1]));
    ASSERT_TRUE(second.IsAsleep());
    ASSERT_EQ(f.port->QueueUser({}), ZX_OK);
    ASSERT_TRUE(WaitUntil([&status] { return status[0].load() == ZX_OK; }));
    EXPECT_TRUE(second.IsAsleep());
    EXPECT_EQ(status[1], 1);
    ASSERT_EQ(f.port->QueueUser({}), ZX_OK);
  }
  EXPECT_EQ(status[1], ZX_OK);
}

TEST(PortThreads, ASignalOfAnObservedObjectWakesAWaiter) {
  Fixture f;
  std::atomic<zx_status_t> status = 1;
  std::atomic<uint64_t> key = 0;
  {
    Sleeper sleeper(WaitsForPort(*f.port, status, key));
    ASSERT_TRUE(sleeper.IsAsleep());
    ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, f.job_handle, 77, ZX_USER_SIGNAL_0, true), ZX_OK);
    f.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
  }
  EXPECT_EQ(status, ZX_OK);
  EXPECT_EQ(key, 77U);
}

TEST(PortThreads, ClosingTheLastHandleCancelsEveryWaitAndClosingAnotherNone) {
  Fixture f;
  const zx_handle_t other = f.Open(f.port);
  std::array<std::atomic<zx_status_t>, 20> status;
  std::atomic<uint64_t> key = 0;
  {
    std::vector<std::unique_ptr<Sleeper>> sleepers;
    for (auto& one : status) sleepers.push_back(std::make_unique<Sleeper>(WaitsForPort(*f.port, one, key)));
    for (const auto& sleeper : sleepers) ASSERT_TRUE(sleeper->IsAsleep());
    ASSERT_EQ(f.handles.Close(f.port_handle), ZX_OK);
    for (const auto& sleeper : sleepers) ASSERT_TRUE(sleeper->IsAsleep());
    ASSERT_EQ(f.handles.Close(other), ZX_OK);
  }
  for (const auto& one : status) EXPECT_EQ(one, ZX_ERR_CANCELED);
}

TEST(PortThreads, AWaiterThatTimedOutTakesNobodysPacket) {
  Fixture f;
  zx_port_packet_t packet;
  std::atomic<zx_status_t> status = 1;
  std::atomic<uint64_t> key = 0;
  {
    Sleeper sleeper(WaitsForPort(*f.port, status, key));
    ASSERT_TRUE(sleeper.IsAsleep());
    EXPECT_EQ(f.port->Wait(MonotonicNs() + kNsPerMs, &packet), ZX_ERR_TIMED_OUT);
    ASSERT_EQ(f.port->QueueUser({}), ZX_OK);
  }
  EXPECT_EQ(status, ZX_OK);
  EXPECT_EQ(f.port->Wait(0, &packet), ZX_ERR_TIMED_OUT);
}

TEST(PortThreads, EveryPacketGoesToExactlyOneOfManyWaiters) {
  Fixture f;
  constexpr uint64_t kPackets = 4000;
  constexpr int kThreads = 4;
  std::mutex lock;
  std::multiset<uint64_t> got;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        zx_port_packet_t packet;
        while (f.port->Wait(ZX_TIME_INFINITE, &packet) == ZX_OK && packet.key != kPackets) {
          const std::lock_guard guard(lock);
          got.insert(packet.key);
        }
      });
    }
    zx_port_packet_t packet = {};
    for (packet.key = 0; packet.key < kPackets;) {
      const zx_status_t status = f.port->QueueUser(packet);
      if (status == ZX_OK) ++packet.key;
    }
    for (int i = 0; i < kThreads;) i += f.port->QueueUser(packet) == ZX_OK ? 1 : 0;
  }
  EXPECT_EQ(got.size(), kPackets);
  EXPECT_EQ(std::set(got.begin(), got.end()).size(), kPackets);
}

TEST(HandleTableThreads, OneOfManyClosesSucceeds) {
  Fixture f;
  for (int round = 0; round < 200; ++round) {
    const zx_handle_t handle = f.Open(f.job);
    std::atomic<int> closed = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] { closed += f.handles.Close(handle) == ZX_OK ? 1 : 0; });
      }
    }
    ASSERT_EQ(closed, 1);
  }
}

// Turns of an empty loop, to shift one thread against another.
void Linger(int turns) {
  for (int i = 0; i < turns; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Until there have been so many rounds. Awake at first, so that both begin at about the same time; a partner that has no CPU
// meanwhile is waited for asleep: emulated CPUs take turns, and one that spins keeps the others from theirs.
void AwaitRound(const std::atomic<int>& rounds, int round) {
  constexpr int kAwake = 100;
  int turns = 0;
  for (int now = rounds; now < round; now = rounds) {
    if (++turns <= kAwake) {
      std::this_thread::yield();
    } else {
      rounds.wait(now);
    }
  }
}

void TellRound(std::atomic<int>& rounds, int round) {
  rounds = round;
  rounds.notify_one();
}

// Runs both at the same time, over and over, shifted against each other by a little; `prepare` and `check` run alone before
// and after.
constexpr int kRounds = 10'000;

template <typename Prepare, typename First, typename Second, typename Check>
void Race(int rounds, Prepare prepare, First first, Second second, Check check) {
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  std::jthread other([&] {
    for (int round = 1; round <= rounds; ++round) {
      AwaitRound(begun, round);
      Linger(round * 7 % 400);
      second();
      TellRound(ended, round);
    }
  });
  for (int round = 1; round <= rounds; ++round) {
    prepare();
    TellRound(begun, round);
    Linger(round * 3 % 100);
    first();
    AwaitRound(ended, round);
    check();
  }
}

TEST(WaitRaces, AWaitThatBeginsWhileItsHandleIsClosedIsCanceled) {
  Fixture f;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  zx_status_t status = ZX_OK;
  Race(
      kRounds, [&] { handle = f.Open(f.job); },
      [&] {
        std::array targets = {WaitTarget{.object = f.job, .handle = handle, .waitfor = ZX_USER_SIGNAL_0}};
        status = WaitMany(f.handles, targets, ZX_TIME_INFINITE);
      },
      [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); }, [&] { EXPECT_EQ(status, ZX_ERR_CANCELED); });
}

TEST(WaitRaces, ARegistrationThatIsMadeWhileItsPortClosesLeavesNothingWithTheObject) {
  Fixture f;
  RefPtr<Port> port;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  Race(
      kRounds,
      [&] {
        port = Port::Create();
        handle = f.Open(port);
      },
      [&] {
        const zx_status_t status = port->WaitAsync(f.handles, f.job, f.job_handle, 5, ZX_USER_SIGNAL_0, false);
        EXPECT_TRUE(status == ZX_OK || status == ZX_ERR_BAD_STATE);
      },
      [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); },
      [&] { EXPECT_FALSE(f.job->CancelObservers(f.job_handle, port.get(), 5)); });
}

TEST(WaitRaces, ARegistrationThatIsMadeWhileItsHandleIsClosedLeavesNothingWithTheObject) {
  Fixture f;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  Race(
      kRounds, [&] { handle = f.Open(f.job); },
      [&] { EXPECT_EQ(f.port->WaitAsync(f.handles, f.job, handle, 5, ZX_USER_SIGNAL_0, true), ZX_OK); },
      [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); },
      [&] { EXPECT_FALSE(f.job->CancelObservers(handle, f.port.get(), 5)); });
}

zx_status_t TakeNow(Port& port) {
  zx_port_packet_t packet;
  return port.Wait(0, &packet);
}

// Whatever a race of registrations left with the port or the object.
void ExpectNothingLeft(Fixture& f, Port& port, zx_handle_t handle) {
  EXPECT_EQ(TakeNow(port), ZX_ERR_TIMED_OUT);
  EXPECT_FALSE(f.job->CancelObservers(handle, &port, 5));
}

TEST(WaitRaces, APacketThatIsCancelledWhileItIsTakenIsOneOfTheTwo) {
  Fixture f;
  zx_status_t taken = ZX_OK;
  zx_status_t cancelled = ZX_OK;
  Race(
      kRounds, [&] { ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, f.job_handle, 5, ZX_JOB_NO_JOBS, false), ZX_OK); },
      [&] { taken = TakeNow(*f.port); }, [&] { cancelled = f.port->Cancel(*f.job, f.job_handle, 5); },
      [&] {
        EXPECT_EQ(cancelled, taken == ZX_OK ? ZX_ERR_NOT_FOUND : ZX_OK);
        ExpectNothingLeft(f, *f.port, f.job_handle);
      });
}

TEST(WaitRaces, APacketWhoseHandleIsClosedWhileItIsTakenLeavesNothing) {
  Fixture f;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  Race(
      kRounds,
      [&] {
        handle = f.Open(f.job);
        ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, handle, 5, ZX_JOB_NO_JOBS, false), ZX_OK);
      },
      [&] { TakeNow(*f.port); }, [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); },
      [&] { ExpectNothingLeft(f, *f.port, handle); });
}

TEST(WaitRaces, ASignalThatComesWhileItsHandleIsClosedLeavesNothing) {
  Fixture f;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  Race(
      kRounds,
      [&] {
        f.job->UpdateSignals(ZX_USER_SIGNAL_0, 0);
        handle = f.Open(f.job);
        ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, handle, 5, ZX_USER_SIGNAL_0, true), ZX_OK);
      },
      [&] { f.job->UpdateSignals(0, ZX_USER_SIGNAL_0); }, [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); },
      [&] { ExpectNothingLeft(f, *f.port, handle); });
}

TEST(WaitRaces, OnceGivesOnePacketHoweverSignalsChangeWhileItIsTaken) {
  Fixture f;
  Race(
      kRounds,
      [&] {
        f.job->UpdateSignals(ZX_USER_SIGNAL_0, 0);
        ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, f.job_handle, 5, ZX_USER_SIGNAL_0, false), ZX_OK);
      },
      [&] {
        f.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
        f.job->UpdateSignals(ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_1);
        f.job->UpdateSignals(ZX_USER_SIGNAL_1, ZX_USER_SIGNAL_0);
      },
      [&] {
        zx_port_packet_t packet;
        EXPECT_EQ(f.port->Wait(ZX_TIME_INFINITE, &packet), ZX_OK);
        EXPECT_NE(packet.signal.observed & ZX_USER_SIGNAL_0, 0U);
      },
      [&] { ExpectNothingLeft(f, *f.port, f.job_handle); });
}

TEST(WaitRaces, APortThatClosesWhileItsPacketIsTakenLeavesNothingWithTheObject) {
  Fixture f;
  RefPtr<Port> port;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  Race(
      kRounds,
      [&] {
        port = Port::Create();
        handle = f.Open(port);
        ASSERT_EQ(port->WaitAsync(f.handles, f.job, f.job_handle, 5, ZX_JOB_NO_JOBS, false), ZX_OK);
      },
      [&] { TakeNow(*port); }, [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); },
      [&] { EXPECT_FALSE(f.job->CancelObservers(f.job_handle, port.get(), 5)); });
}

TEST(HandleTableThreads, ADuplicateMadeWhileTheLastHandleIsClosedKeepsTheObjectOpenOrFails) {
  Fixture f;
  RefPtr<Port> port;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  zx_handle_t duplicate = ZX_HANDLE_INVALID;
  zx_status_t status = ZX_OK;
  Race(
      kRounds,
      [&] {
        port = Port::Create();
        handle = f.Open(port);
      },
      [&] { status = f.handles.Duplicate(handle, ZX_RIGHT_SAME_RIGHTS, &duplicate); },
      [&] { EXPECT_EQ(f.handles.Close(handle), ZX_OK); },
      [&] {
        ASSERT_EQ(port->QueueUser({}), status == ZX_OK ? ZX_OK : ZX_ERR_BAD_STATE);
        EXPECT_EQ(f.handles.Close(status == ZX_OK ? duplicate : ZX_HANDLE_INVALID), ZX_OK);
        EXPECT_EQ(port->QueueUser({}), ZX_ERR_BAD_STATE);
      });
}

}  // namespace
}  // namespace zxctl
