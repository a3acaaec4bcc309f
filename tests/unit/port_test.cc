#include "object/port.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <zircon/syscalls/exception.h>

#include <cstring>
#include <vector>

#include "base/clock.h"
#include "object/job.h"
#include "support/port_fixture.h"

namespace zxctl {
namespace {

zx_port_packet_t UserPacket(uint64_t key) {
  zx_port_packet_t packet = {};
  packet.key = key;
  return packet;
}

// The port with a handle, and a job with a handle to observe.
struct Fixture : test::PortFixture {
  zx_status_t Watch(uint64_t key, zx_signals_t signals, bool repeating = false) {
    return port->WaitAsync(handles, job, job_handle, key, signals, repeating);
  }
  // What is queued, to its end.
  std::vector<zx_port_packet_t> Take() {
    std::vector<zx_port_packet_t> packets;
    zx_port_packet_t packet;
    while (port->Wait(0, &packet) == ZX_OK) packets.push_back(packet);
    return packets;
  }
  bool Empty() { return Take().empty(); }
  // User packets until there is room for so many more.
  void FillUpTo(size_t left) {
    for (size_t i = 0; i + left < Port::kMaxPackets; ++i) ASSERT_EQ(port->QueueUser(UserPacket(i)), ZX_OK) << i;
  }
};

zx_signals_t UserSignals(const zx_port_packet_t& packet) { return packet.signal.observed & ZX_USER_SIGNAL_ALL; }

TEST(Port, GivesPacketsInTheOrderOfQueueing) {
  Fixture f;
  for (uint64_t key = 0; key < 100; ++key) ASSERT_EQ(f.port->QueueUser(UserPacket(key)), ZX_OK);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 100U);
  for (uint64_t key = 0; key < 100; ++key) EXPECT_EQ(packets[key].key, key);
}

TEST(Port, KeepsAUserPacketToTheLetterButForItsType) {
  Fixture f;
  zx_port_packet_t packet;
  std::memset(&packet, 0xa5, sizeof(packet));
  ASSERT_EQ(f.port->QueueUser(packet), ZX_OK);
  packet.type = ZX_PKT_TYPE_USER;
  zx_port_packet_t got;
  ASSERT_EQ(f.port->Wait(0, &got), ZX_OK);
  EXPECT_EQ(std::memcmp(&got, &packet, sizeof(got)), 0);
}

TEST(Port, AnEmptyOneTimesOutAtOnceWhenTheDeadlineHasPassed) {
  Fixture f;
  zx_port_packet_t packet;
  for (const zx_time_t deadline : {zx_time_t{0}, zx_time_t{1}, ZX_TIME_INFINITE_PAST}) {
    EXPECT_EQ(f.port->Wait(deadline, &packet), ZX_ERR_TIMED_OUT);
  }
}

TEST(Port, TimesOutAtItsDeadlineAndNotBefore) {
  Fixture f;
  zx_port_packet_t packet;
  const int64_t deadline = MonotonicNs() + 5 * kNsPerMs;
  EXPECT_EQ(f.port->Wait(deadline, &packet), ZX_ERR_TIMED_OUT);
  EXPECT_GE(MonotonicNs(), deadline);
  // The thread that timed out is no longer served.
  EXPECT_EQ(f.port->QueueUser(UserPacket(3)), ZX_OK);
  EXPECT_EQ(f.Take().size(), 1U);
}

TEST(Port, RefusesUserAndExceptionPacketsWhenFullAndTakesMoreAfterAWait) {
  Fixture f;
  f.FillUpTo(0);
  EXPECT_EQ(f.port->QueueUser(UserPacket(1)), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(f.port->QueueException(1, ZX_EXCP_GENERAL, 2, 3), ZX_ERR_SHOULD_WAIT);
  zx_port_packet_t packet;
  ASSERT_EQ(f.port->Wait(0, &packet), ZX_OK);
  EXPECT_EQ(f.port->QueueException(1, ZX_EXCP_GENERAL, 2, 3), ZX_OK);
  EXPECT_EQ(f.port->QueueUser(UserPacket(1)), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(f.Take().size(), Port::kMaxPackets);
}

TEST(Port, AnExceptionPacketSaysWhoAndWhat) {
  Fixture f;
  ASSERT_EQ(f.port->QueueException(7, ZX_EXCP_FATAL_PAGE_FAULT, 1030, 1031), ZX_OK);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].key, 7U);
  EXPECT_EQ(packets[0].type, 0x108U);
  EXPECT_TRUE(ZX_PKT_IS_EXCEPTION(packets[0].type));
  EXPECT_EQ(packets[0].status, ZX_OK);
  EXPECT_EQ(packets[0].exception.pid, 1030U);
  EXPECT_EQ(packets[0].exception.tid, 1031U);
  EXPECT_EQ(packets[0].exception.reserved0 | packets[0].exception.reserved1, 0U);
}

TEST(WaitAsync, QueuesOnceWhenASignalComes) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_0);
  EXPECT_TRUE(f.Empty());
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  f.job->UpdateSignals(ZX_USER_SIGNAL_1, 0);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].key, 9U);
  EXPECT_EQ(packets[0].type, ZX_PKT_TYPE_SIGNAL_ONE);
  EXPECT_EQ(packets[0].status, ZX_OK);
  EXPECT_EQ(packets[0].signal.trigger, ZX_USER_SIGNAL_1);
  EXPECT_EQ(packets[0].signal.observed, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1 | ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
  EXPECT_EQ(packets[0].signal.count, 1U);
}

TEST(WaitAsync, APacketThatIsQueuedGathersTheSignalsOfEveryChangeAndStaysOne) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  f.job->UpdateSignals(ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_2, ZX_USER_SIGNAL_3);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(UserSignals(packets[0]), ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_2 | ZX_USER_SIGNAL_3);
  EXPECT_EQ(packets[0].signal.trigger, ZX_USER_SIGNAL_1);
  EXPECT_EQ(packets[0].signal.count, 1U);
}

TEST(WaitAsync, OnceIsOverWhenItsPacketHasBeenTaken) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.Take().size(), 1U);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  f.job->UpdateSignals(ZX_USER_SIGNAL_1, 0);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_TRUE(f.Empty());
  EXPECT_FALSE(f.job->CancelObservers(f.job_handle, f.port.get(), 9));
}

TEST(WaitAsync, WhatIsGatheredIsThePacketsOwn) {
  Fixture f;
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(2, ZX_USER_SIGNAL_2), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  f.job->UpdateSignals(ZX_USER_SIGNAL_1, ZX_USER_SIGNAL_2);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(UserSignals(packets[0]), ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_2);
  EXPECT_EQ(UserSignals(packets[1]), ZX_USER_SIGNAL_2);
}

TEST(WaitAsync, QueuesAtOnceWhenTheSignalIsThere) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_JOB_NO_JOBS), ZX_OK);
  EXPECT_EQ(f.Take().size(), 1U);
}

TEST(WaitAsync, TheSameKeyMayWaitTwiceAndGetsTwoPackets) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.Take().size(), 2U);
}

TEST(WaitAsync, RepeatingQueuesAtEveryChangeAndGathersWhileQueued) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1, true), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  f.job->UpdateSignals(ZX_USER_SIGNAL_2, 0);
  auto packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].type, ZX_PKT_TYPE_SIGNAL_REP);
  EXPECT_EQ(UserSignals(packets[0]), ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_2);
  EXPECT_EQ(packets[0].signal.count, 1U);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_3);
  packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(UserSignals(packets[0]), ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_3);
  f.job->UpdateSignals(ZX_USER_SIGNAL_1, 0);
  EXPECT_TRUE(f.Empty());
}

TEST(WaitAsync, ASignalPacketTakesAPlaceAndGivesItBack) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(10, ZX_USER_SIGNAL_1, true), ZX_OK);
  f.FillUpTo(2);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.port->QueueUser(UserPacket(1)), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(f.port->QueueException(1, ZX_EXCP_GENERAL, 2, 3), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 10), ZX_OK);
  EXPECT_EQ(f.port->QueueUser(UserPacket(1)), ZX_OK);
  EXPECT_EQ(f.port->QueueUser(UserPacket(1)), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(f.Take().size(), Port::kMaxPackets);
}

TEST(WaitAsync, AFullPortDropsWhatHasAPacketToQueueAndNothingElse) {
  Fixture f;
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(2, ZX_USER_SIGNAL_1, true), ZX_OK);
  ASSERT_EQ(f.Watch(3, ZX_USER_SIGNAL_2), ZX_OK);
  f.FillUpTo(0);
  EXPECT_EQ(f.Watch(4, ZX_JOB_NO_JOBS), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.Take().size(), Port::kMaxPackets);
  for (const uint64_t key : {1, 2, 4}) EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, key), ZX_ERR_NOT_FOUND) << key;
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].key, 3U);
}

TEST(WaitAsync, APacketThatIsQueuedGathersInAFullPortToo) {
  Fixture f;
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(2, ZX_USER_SIGNAL_1, true), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  f.FillUpTo(2);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), Port::kMaxPackets);
  for (const size_t i : {0, 1}) EXPECT_EQ(UserSignals(packets[i]), ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_2);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_3);
  EXPECT_EQ(f.Take().size(), 1U);
}

TEST(WaitAsync, RefusesMoreRegistrationsThanItHasRoomFor) {
  Fixture f;
  for (uint32_t i = 0; i < Port::kMaxObservers; ++i) ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  EXPECT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_ERR_NO_MEMORY);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 9), ZX_OK);
  EXPECT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
}

TEST(WaitAsync, OnceLeavesNothingBehindWhenItsPacketHasBeenTaken) {
  Fixture f;
  zx_port_packet_t packet;
  for (uint32_t i = 0; i <= Port::kMaxObservers; ++i) {
    ASSERT_EQ(f.Watch(9, ZX_JOB_NO_JOBS), ZX_OK) << i;
    ASSERT_EQ(f.port->Wait(0, &packet), ZX_OK);
  }
}

TEST(WaitAsync, EndsWhenItsHandleIsClosedButNotWithAnotherOfTheObject) {
  Fixture f;
  const zx_handle_t other = f.Open(f.job);
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, other, 10, ZX_USER_SIGNAL_1, false), ZX_OK);
  ASSERT_EQ(f.handles.Close(f.job_handle), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].key, 10U);
}

TEST(WaitAsync, AQueuedPacketGoesWhenItsHandleIsClosedAndNoOther) {
  Fixture f;
  const zx_handle_t other = f.Open(f.job);
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1, true), ZX_OK);
  ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, other, 10, ZX_USER_SIGNAL_1, false), ZX_OK);
  ASSERT_EQ(f.port->QueueUser(UserPacket(9)), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  ASSERT_EQ(f.handles.Close(f.job_handle), ZX_OK);
  const auto packets = f.Take();
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].type, ZX_PKT_TYPE_USER);
  EXPECT_EQ(packets[1].key, 10U);
}

TEST(WaitAsync, AQueuedPacketGoesWhenItsHandleIsReplaced) {
  Fixture f;
  ASSERT_EQ(f.Watch(9, ZX_JOB_NO_JOBS), ZX_OK);
  zx_handle_t replacement = ZX_HANDLE_INVALID;
  ASSERT_EQ(f.handles.Replace(f.job_handle, ZX_RIGHT_SAME_RIGHTS, &replacement), ZX_OK);
  EXPECT_TRUE(f.Empty());
}

TEST(WaitAsync, OfAHandleThatIsClosedAlreadyQueuesNothing) {
  Fixture f;
  ASSERT_EQ(f.handles.Close(f.job_handle), ZX_OK);
  ASSERT_EQ(f.Watch(9, ZX_USER_SIGNAL_1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_TRUE(f.Empty());
}

TEST(WaitAsync, DoesNotKeepItsObjectOnceTheHandleIsClosed) {
  Fixture f;
  RefPtr<Job> child;
  ASSERT_EQ(Job::Create(f.job, &child), ZX_OK);
  const zx_handle_t handle = f.Open(child);
  ASSERT_EQ(f.port->WaitAsync(f.handles, child, handle, 9, ZX_JOB_NO_JOBS, false), ZX_OK);
  ASSERT_EQ(f.port->WaitAsync(f.handles, child, handle, 9, ZX_USER_SIGNAL_1, true), ZX_OK);
  child = {};
  EXPECT_EQ(f.job->signals() & ZX_JOB_NO_JOBS, 0U);
  ASSERT_EQ(f.handles.Close(handle), ZX_OK);
  EXPECT_EQ(f.job->signals() & ZX_JOB_NO_JOBS, ZX_JOB_NO_JOBS);
  EXPECT_TRUE(f.Empty());
}

TEST(PortCancel, RemovesWhatIsOutstandingAndWhatIsQueuedForThatHandleAndKeyOnly) {
  Fixture f;
  const zx_handle_t other = f.Open(f.job);
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_2), ZX_OK);
  ASSERT_EQ(f.Watch(2, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.port->WaitAsync(f.handles, f.job, other, 1, ZX_USER_SIGNAL_1, false), ZX_OK);
  ASSERT_EQ(f.port->QueueUser(UserPacket(1)), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  std::vector<std::pair<uint64_t, uint32_t>> left;
  for (const auto& packet : f.Take()) left.emplace_back(packet.key, packet.type);
  EXPECT_EQ(left, (std::vector<std::pair<uint64_t, uint32_t>>{
                      {1, ZX_PKT_TYPE_USER}, {2, ZX_PKT_TYPE_SIGNAL_ONE}, {1, ZX_PKT_TYPE_SIGNAL_ONE}}));
}

TEST(PortCancel, TakesBackAPacketThatStillGathers) {
  Fixture f;
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  EXPECT_TRUE(f.Empty());
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_ERR_NOT_FOUND);
}

TEST(PortCancel, FindsNothingTwice) {
  Fixture f;
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_ERR_NOT_FOUND);
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_OK);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_ERR_NOT_FOUND);
  ASSERT_EQ(f.Watch(1, ZX_JOB_NO_JOBS), ZX_OK);
  EXPECT_EQ(f.Take().size(), 1U);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_ERR_NOT_FOUND);
}

TEST(PortCancel, EndsARepeatingWaitAlsoAfterItsPacketWasTaken) {
  Fixture f;
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1, true), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.Take().size(), 1U);
  EXPECT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_OK);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_2);
  EXPECT_TRUE(f.Empty());
}

TEST(PortCancel, IsNotForOtherPorts) {
  Fixture f;
  const auto other = Port::Create();
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  EXPECT_EQ(other->Cancel(*f.job, f.job_handle, 1), ZX_ERR_NOT_FOUND);
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_EQ(f.Take().size(), 1U);
}

TEST(ClosedPort, DropsItsPacketsAndRefusesNewOnes) {
  Fixture f;
  ASSERT_EQ(f.port->QueueUser(UserPacket(1)), ZX_OK);
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  ASSERT_EQ(f.handles.Close(f.port_handle), ZX_OK);
  zx_port_packet_t packet;
  EXPECT_EQ(f.port->Wait(ZX_TIME_INFINITE, &packet), ZX_ERR_CANCELED);
  EXPECT_EQ(f.port->QueueUser(UserPacket(1)), ZX_ERR_BAD_STATE);
  EXPECT_EQ(f.port->QueueException(1, ZX_EXCP_GENERAL, 1, 1), ZX_ERR_BAD_STATE);
  EXPECT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_ERR_BAD_STATE);
}

TEST(ClosedPort, LeavesNothingWithTheObjectsItObserved) {
  for (const zx_signals_t set : {zx_signals_t{0}, ZX_USER_SIGNAL_1}) {
    Fixture f;
    for (uint64_t key = 0; key < 10; ++key) ASSERT_EQ(f.Watch(key, ZX_USER_SIGNAL_1, key % 2 == 0), ZX_OK);
    f.job->UpdateSignals(0, set);
    ASSERT_EQ(f.handles.Close(f.port_handle), ZX_OK);
    for (uint64_t key = 0; key < 10; ++key) EXPECT_FALSE(f.job->CancelObservers(f.job_handle, f.port.get(), key));
  }
}

// ---- the descriptor --------------------------------------------------------------------------------------------------

bool IsReadable(int fd) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, 0) == 1;
}

int FdOf(Port& port) {
  int fd = -1;
  int error = 0;
  EXPECT_EQ(port.GetFd(&fd, &error), ZX_OK);
  return fd;
}

TEST(PortFd, IsReadableExactlyWhileThereIsAPacket) {
  Fixture f;
  const int fd = FdOf(*f.port);
  EXPECT_EQ(FdOf(*f.port), fd);
  zx_port_packet_t packet;
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(IsReadable(fd));
    ASSERT_EQ(f.port->QueueUser(UserPacket(1)), ZX_OK);
    ASSERT_EQ(f.port->QueueUser(UserPacket(2)), ZX_OK);
    EXPECT_TRUE(IsReadable(fd));
    ASSERT_EQ(f.port->Wait(0, &packet), ZX_OK);
    EXPECT_TRUE(IsReadable(fd));
    ASSERT_EQ(f.port->Wait(0, &packet), ZX_OK);
  }
  EXPECT_FALSE(IsReadable(fd));
}

TEST(PortFd, OfAPortThatHasAPacketIsReadableFromTheStart) {
  Fixture f;
  ASSERT_EQ(f.port->QueueUser(UserPacket(1)), ZX_OK);
  EXPECT_TRUE(IsReadable(FdOf(*f.port)));
}

TEST(PortFd, FollowsSignalPacketsAndTheirCancelling) {
  Fixture f;
  const int fd = FdOf(*f.port);
  ASSERT_EQ(f.Watch(1, ZX_USER_SIGNAL_1), ZX_OK);
  EXPECT_FALSE(IsReadable(fd));
  f.job->UpdateSignals(0, ZX_USER_SIGNAL_1);
  EXPECT_TRUE(IsReadable(fd));
  ASSERT_EQ(f.port->Cancel(*f.job, f.job_handle, 1), ZX_OK);
  EXPECT_FALSE(IsReadable(fd));
}

TEST(PortFd, FollowsAPacketThatGoesWithItsHandle) {
  Fixture f;
  const int fd = FdOf(*f.port);
  ASSERT_EQ(f.Watch(1, ZX_JOB_NO_JOBS), ZX_OK);
  EXPECT_TRUE(IsReadable(fd));
  ASSERT_EQ(f.handles.Close(f.job_handle), ZX_OK);
  EXPECT_FALSE(IsReadable(fd));
}

TEST(PortFd, OfAClosedPortIsReadableAndNewOnesAreRefused) {
  Fixture f;
  const int fd = FdOf(*f.port);
  ASSERT_EQ(f.handles.Close(f.port_handle), ZX_OK);
  EXPECT_TRUE(IsReadable(fd));
  int other = -1;
  int error = 0;
  EXPECT_EQ(f.port->GetFd(&other, &error), ZX_ERR_BAD_STATE);
}

}  // namespace
}  // namespace zxctl
