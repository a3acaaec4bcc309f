#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <thread>

#include "support/handles.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

TEST(Clock, IsThatOfTheKernelAndDoesNotGoBack) {
  const zx_time_t before = zx_clock_get_monotonic();
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const zx_time_t after = zx_clock_get_monotonic();
  EXPECT_LE(before, now.tv_sec * ZX_SEC(1) + now.tv_nsec);
  EXPECT_LE(now.tv_sec * ZX_SEC(1) + now.tv_nsec, after);
}

TEST(DeadlineAfter, AddsAndEndsAtInfinity) {
  const zx_time_t before = zx_clock_get_monotonic();
  const zx_time_t deadline = zx_deadline_after(ZX_SEC(5));
  EXPECT_GE(deadline, before + ZX_SEC(5));
  EXPECT_LE(deadline, zx_clock_get_monotonic() + ZX_SEC(5));
  EXPECT_EQ(zx_deadline_after(ZX_TIME_INFINITE), ZX_TIME_INFINITE);
  EXPECT_LT(zx_deadline_after(-ZX_SEC(1)), before + ZX_SEC(1));
}

TEST(Nanosleep, SleepsUntilItsDeadlineAndNotForOneThatHasPassed) {
  EXPECT_EQ(zx_nanosleep(0), ZX_OK);
  EXPECT_EQ(zx_nanosleep(ZX_TIME_INFINITE_PAST), ZX_OK);
  const zx_time_t deadline = zx_deadline_after(ZX_MSEC(3));
  EXPECT_EQ(zx_nanosleep(deadline), ZX_OK);
  EXPECT_GE(zx_clock_get_monotonic(), deadline);
}

std::atomic<int> g_signals = 0;

TEST(Waits, AreNotEndedBySignals) {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++g_signals; };  // without SA_RESTART
  sigaction(SIGUSR1, &action, nullptr);
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  std::atomic<pid_t> tid = 0;
  std::atomic<int> done = 0;
  std::thread waiter([&] {
    tid = gettid();
    zx_port_packet_t packet;
    EXPECT_EQ(zx_port_wait(port, ZX_TIME_INFINITE, &packet), ZX_OK);
    done = 1;
    EXPECT_EQ(zx_object_wait_one(job, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE, nullptr), ZX_OK);
  });
  const auto asleep = [&tid] { return tid != 0 && BlockedCallOf(tid) == SYS_futex; };
  const auto interrupt = [&] {
    const int before = g_signals;
    pthread_kill(waiter.native_handle(), SIGUSR1);
    EXPECT_TRUE(WaitUntil([&] { return g_signals > before && asleep(); }));
  };
  EXPECT_TRUE(WaitUntil(asleep));
  interrupt();
  EXPECT_EQ(done, 0);
  const zx_port_packet_t packet = {};
  EXPECT_EQ(zx_port_queue(port, &packet), ZX_OK);
  EXPECT_TRUE(WaitUntil([&] { return done == 1 && asleep(); }));
  interrupt();
  EXPECT_EQ(zx_object_signal(job, 0, ZX_USER_SIGNAL_0), ZX_OK);
  waiter.join();
}

}  // namespace
}  // namespace zxctl::test
