// Many threads do everything at once to a few objects. What is checked: no call gives a status that it cannot give, every
// packet is taken once, and nothing is left at the end. The sanitizers check the rest.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "support/handles.h"

namespace zxctl::test {
namespace {

constexpr int kThreads = 6;
constexpr zx_duration_t kTime = ZX_SEC(5);

bool OneOf(zx_status_t status, std::initializer_list<zx_status_t> allowed) {
  return std::ranges::find(allowed, status) != allowed.end();
}

// Handles that all threads know; any of them may be stale at any time.
class SharedHandles {
 public:
  explicit SharedHandles(size_t count) : handles_(count) {}
  [[nodiscard]] zx_handle_t Get(uint64_t number) const { return handles_[number % handles_.size()].load(); }
  // Puts a handle in a place, and gives the one that was there.
  [[nodiscard]] zx_handle_t Swap(uint64_t number, zx_handle_t handle) {
    return handles_[number % handles_.size()].exchange(handle);
  }

 private:
  std::vector<std::atomic<zx_handle_t>> handles_;
};

class Chaos {
 public:
  void Run() {
    for (uint64_t i = 0; i < 16; ++i) {
      EXPECT_EQ(zx_handle_close(ports_.Swap(i, NewPort())), ZX_OK);
      EXPECT_EQ(zx_handle_close(jobs_.Swap(i, NewJob())), ZX_OK);
    }
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) threads.emplace_back([this, i] { Loop(static_cast<uint64_t>(i)); });
    }
    for (uint64_t i = 0; i < 16; ++i) {
      zx_handle_close(ports_.Swap(i, ZX_HANDLE_INVALID));
      zx_handle_close(jobs_.Swap(i, ZX_HANDLE_INVALID));
    }
  }

 private:
  void Loop(uint64_t seed) {
    std::mt19937_64 random(seed);
    const zx_time_t end = zx_deadline_after(kTime);
    while (zx_clock_get_monotonic() < end) {
      for (int i = 0; i < 100; ++i) Step(random());
    }
  }

  void Step(uint64_t number) {
    const zx_handle_t port = ports_.Get(number >> 8);
    const zx_handle_t job = jobs_.Get(number >> 16);
    switch (number % 12) {
      case 0:
        return Renew(ports_, number >> 8, NewPort());
      case 1:
        return Renew(jobs_, number >> 16, NewJob());
      case 2:
        return Duplicate(number % 24 < 12 ? ports_ : jobs_, number >> 8);
      case 3:
        return Replace(number % 24 < 12 ? ports_ : jobs_, number >> 8);
      case 4:
        return QueueAndWait(port, number);
      case 5:
        return Observe(job, port, number);
      case 6:
        EXPECT_TRUE(OneOf(zx_port_cancel(port, job, number >> 32 & 3), {ZX_OK, ZX_ERR_NOT_FOUND, ZX_ERR_BAD_HANDLE}));
        return;
      case 7:
        EXPECT_TRUE(OneOf(zx_object_signal(job, number >> 30 & ZX_USER_SIGNAL_ALL, number >> 20 & ZX_USER_SIGNAL_ALL),
                          {ZX_OK, ZX_ERR_BAD_HANDLE}));
        return;
      case 8:
        return Wait(job, number);
      case 9:
        return WaitForTwo(job, jobs_.Get(number >> 40), number);
      case 10:
        return Children(job);
      default:
        return Descriptor(port);
    }
  }

  static void Renew(SharedHandles& handles, uint64_t place, zx_handle_t fresh) {
    EXPECT_TRUE(OneOf(zx_handle_close(handles.Swap(place, fresh)), {ZX_OK, ZX_ERR_BAD_HANDLE}));
  }
  static void Duplicate(SharedHandles& handles, uint64_t place) {
    zx_handle_t duplicate = ZX_HANDLE_INVALID;
    const zx_status_t status = zx_handle_duplicate(handles.Get(place), ZX_RIGHT_SAME_RIGHTS, &duplicate);
    EXPECT_TRUE(OneOf(status, {ZX_OK, ZX_ERR_BAD_HANDLE}));
    if (status == ZX_OK) Renew(handles, place + 1, duplicate);
  }
  static void Replace(SharedHandles& handles, uint64_t place) {
    zx_handle_t replacement = ZX_HANDLE_INVALID;
    const zx_status_t status = zx_handle_replace(handles.Get(place), ZX_RIGHT_SAME_RIGHTS, &replacement);
    EXPECT_TRUE(OneOf(status, {ZX_OK, ZX_ERR_BAD_HANDLE}));
    if (status == ZX_OK) Renew(handles, place, replacement);
  }
  static void QueueAndWait(zx_handle_t port, uint64_t number) {
    zx_port_packet_t packet = {};
    packet.key = number;
    EXPECT_TRUE(OneOf(zx_port_queue(port, &packet), {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_STATE, ZX_ERR_SHOULD_WAIT}));
    EXPECT_TRUE(OneOf(zx_port_wait(port, zx_deadline_after(ZX_USEC(number >> 60)), &packet),
                      {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_TIMED_OUT, ZX_ERR_CANCELED}));
  }
  static void Observe(zx_handle_t job, zx_handle_t port, uint64_t number) {
    const auto signals = static_cast<zx_signals_t>(number >> 20 & ZX_USER_SIGNAL_ALL);
    const uint64_t key = number >> 32 & 3;
    const zx_status_t status = zx_object_wait_async(job, port, key, signals, number >> 40 & 1);
    EXPECT_TRUE(OneOf(status, {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_STATE, ZX_ERR_NO_MEMORY}));
  }
  static void Wait(zx_handle_t job, uint64_t number) {
    const zx_status_t status =
        zx_object_wait_one(job, ZX_USER_SIGNAL_0, zx_deadline_after(ZX_USEC(number >> 58)), nullptr);
    EXPECT_TRUE(OneOf(status, {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_TIMED_OUT, ZX_ERR_CANCELED}));
  }
  static void WaitForTwo(zx_handle_t first, zx_handle_t second, uint64_t number) {
    std::array<zx_wait_item_t, 2> items = {{{first, ZX_USER_SIGNAL_1, 0}, {second, ZX_USER_SIGNAL_2, 0}}};
    const zx_status_t status = zx_object_wait_many(items.data(), 2, zx_deadline_after(ZX_USEC(number >> 58)));
    EXPECT_TRUE(OneOf(status, {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_TIMED_OUT, ZX_ERR_CANCELED}));
  }
  static void Children(zx_handle_t job) {
    zx_handle_t child = ZX_HANDLE_INVALID;
    if (zx_job_create(job, 0, &child) != ZX_OK) return;
    const zx_koid_t koid = KoidOf(child);
    zx_handle_t again = ZX_HANDLE_INVALID;
    const zx_status_t status = zx_object_get_child(job, koid, ZX_RIGHT_SAME_RIGHTS, &again);
    EXPECT_TRUE(OneOf(status, {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_NOT_FOUND}));
    EXPECT_EQ(zx_handle_close(child), ZX_OK);
    EXPECT_EQ(zx_handle_close(again), ZX_OK);
  }
  static void Descriptor(zx_handle_t port) {
    int fd = -1;
    EXPECT_TRUE(OneOf(zxl_port_get_fd(port, &fd), {ZX_OK, ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_STATE}));
  }

  SharedHandles ports_{16};
  SharedHandles jobs_{16};
};

size_t DefaultJobsChildren() {
  size_t avail = 0;
  EXPECT_EQ(zx_object_get_info(zx_job_default(), ZX_INFO_JOB_CHILDREN, nullptr, 0, nullptr, &avail), ZX_OK);
  return avail;
}

TEST(ObjectStress, EverythingAtOnceLeavesNothingBehind) {
  const size_t children = DefaultJobsChildren();
  Chaos().Run();
  EXPECT_EQ(DefaultJobsChildren(), children);
}

// Producers and consumers, the latter with deadlines that mostly come too early.
TEST(ObjectStress, NoPacketIsLostOrTakenTwiceAmongTimeouts) {
  const OwnedHandle port(NewPort());
  constexpr uint64_t kPackets = 100'000;
  std::atomic<uint64_t> taken = 0;
  std::vector<std::atomic<uint8_t>> seen(2 * kPackets);
  {
    std::vector<std::jthread> threads;
    for (uint64_t producer = 0; producer < 2; ++producer) {
      threads.emplace_back([&port, producer] {
        zx_port_packet_t packet = {};
        for (packet.key = producer * kPackets; packet.key < (producer + 1) * kPackets;) {
          if (zx_port_queue(port, &packet) == ZX_OK) ++packet.key;
        }
      });
    }
    for (int consumer = 0; consumer < 3; ++consumer) {
      threads.emplace_back([&, consumer] {
        zx_port_packet_t packet;
        while (taken < 2 * kPackets) {
          if (zx_port_wait(port, zx_deadline_after(ZX_USEC(consumer * 5)), &packet) != ZX_OK) continue;
          ++seen[packet.key];
          ++taken;
        }
      });
    }
  }
  EXPECT_EQ(taken, 2 * kPackets);
  for (const auto& count : seen) ASSERT_EQ(count, 1);
}

// Registrations that are made, cancelled and closed while their signal comes and goes and two threads take the packets.
class Registrations {
 public:
  static constexpr uint64_t kCount = 60'000;

  void Run() {
    {
      std::jthread signaller([this] { Signal(); });
      std::array<std::jthread, 2> takers = {std::jthread([this] { Take(); }), std::jthread([this] { Take(); })};
      {
        std::jthread odd([this] { Register(1); });
        Register(0);
      }
      done_ = true;
    }
    zx_port_packet_t packet;
    EXPECT_EQ(zx_port_wait(port_, 0, &packet), ZX_ERR_TIMED_OUT);
    for (uint64_t key = 0; key < kCount; ++key) ASSERT_LE(taken_[key], 1) << key;
  }

 private:
  void Register(uint64_t first) {
    for (uint64_t key = first; key < kCount; key += 2) {
      const OwnedHandle handle(Without(job_, 0));
      ASSERT_EQ(zx_object_wait_async(handle, port_, key, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_ONCE), ZX_OK);
      if (key % 6 < 2) continue;  // closed at once
      const bool cancelled = key % 6 < 4 && zx_port_cancel(port_, handle, key) == ZX_OK;
      // What could not be cancelled has been taken, or is about to be.
      while (!cancelled && taken_[key] == 0) std::this_thread::yield();
      if (!cancelled) continue;
      cancelled_[key] = true;
      ASSERT_EQ(taken_[key], 0) << key;
    }
  }
  void Signal() {
    while (!done_) {
      zx_object_signal(job_, 0, ZX_USER_SIGNAL_0);
      zx_object_signal(job_, ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_1);
      zx_object_signal(job_, ZX_USER_SIGNAL_1, 0);
    }
  }
  void Take() {
    zx_port_packet_t packet;
    while (!done_) {
      if (zx_port_wait(port_, zx_deadline_after(ZX_USEC(50)), &packet) != ZX_OK) continue;
      EXPECT_NE(packet.signal.observed & ZX_USER_SIGNAL_0, 0U);
      EXPECT_FALSE(cancelled_[packet.key]);
      ++taken_[packet.key];
    }
  }

  const OwnedHandle port_{NewPort()};
  const OwnedHandle job_{NewJob()};
  std::atomic<bool> done_ = false;
  std::vector<std::atomic<uint8_t>> taken_ = std::vector<std::atomic<uint8_t>>(kCount);
  std::vector<std::atomic<bool>> cancelled_ = std::vector<std::atomic<bool>>(kCount);
};

TEST(ObjectStress, ARegistrationGivesItsPacketOrIsOverAndNeverBoth) { Registrations().Run(); }

// A signal that is set and cleared again between two looks has been seen by the repeating wait.
TEST(ObjectStress, EveryRoundOfSignalsWakesItsWaiter) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  ASSERT_EQ(zx_object_wait_async(job, port, 1, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_REPEATING), ZX_OK);
  constexpr int kRounds = 20'000;
  std::jthread echo([&] {
    zx_port_packet_t packet;
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_EQ(zx_port_wait(port, ZX_TIME_INFINITE, &packet), ZX_OK);
      ASSERT_EQ(zx_object_signal(job, ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_1), ZX_OK);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_EQ(zx_object_signal(job, ZX_USER_SIGNAL_1, ZX_USER_SIGNAL_0), ZX_OK);
    ASSERT_EQ(zx_object_wait_one(job, ZX_USER_SIGNAL_1, ZX_TIME_INFINITE, nullptr), ZX_OK);
  }
}

}  // namespace
}  // namespace zxctl::test
