// The C++ layer owns handles, and does nothing else.
#include <gtest/gtest.h>
#include <zxtask/zx.h>

#include <type_traits>
#include <utility>

#include "support/handles.h"

namespace zxctl::test {
namespace {

static_assert(!std::is_copy_constructible_v<zx::Port> && !std::is_copy_assignable_v<zx::Port>);
static_assert(std::is_nothrow_move_constructible_v<zx::Thread> && std::is_nothrow_move_assignable_v<zx::Thread>);
static_assert(!std::is_convertible_v<zx_handle_t, zx::Port>, "taking over a handle is spelled out");
static_assert(sizeof(zx::Process) == sizeof(zx_handle_t));

bool IsOpen(zx_handle_t handle) {
  return zx_object_get_info(handle, ZX_INFO_HANDLE_VALID, nullptr, 0, nullptr, nullptr) == ZX_OK;
}

zx::Port MakePort() {
  zx::Port port;
  EXPECT_EQ(zx::Port::create(0, &port), ZX_OK);
  return port;
}

TEST(Zx, ADefaultObjectOwnsNothing) {
  const zx::Port port;
  EXPECT_FALSE(port.is_valid());
  EXPECT_FALSE(port);
  EXPECT_EQ(port.get(), ZX_HANDLE_INVALID);
}

TEST(Zx, TheEndOfAnObjectClosesItsHandle) {
  zx_handle_t value = ZX_HANDLE_INVALID;
  {
    const zx::Port port = MakePort();
    value = port.get();
    EXPECT_TRUE(IsOpen(value));
  }
  EXPECT_FALSE(IsOpen(value));
}

TEST(Zx, AMoveLeavesNothingBehind) {
  zx::Port from = MakePort();
  const zx_handle_t value = from.get();
  zx::Port to = std::move(from);
  EXPECT_FALSE(from.is_valid());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(to.get(), value);
  EXPECT_TRUE(IsOpen(value));
}

TEST(Zx, AMoveClosesWhatItsTargetHad) {
  zx::Port from = MakePort();
  zx::Port to = MakePort();
  const zx_handle_t lost = to.get();
  const zx_handle_t kept = from.get();
  to = std::move(from);
  EXPECT_FALSE(IsOpen(lost));
  EXPECT_TRUE(IsOpen(kept));
}

TEST(Zx, AMoveToItselfKeepsTheHandle) {
  zx::Port port = MakePort();
  const zx_handle_t value = port.get();
  zx::Port& same = port;
  port = std::move(same);
  EXPECT_EQ(port.get(), value);
  EXPECT_TRUE(IsOpen(value));
}

TEST(Zx, ResetClosesAndTakesOver) {
  zx::Port port = MakePort();
  const zx_handle_t first = port.get();
  const zx_handle_t second = NewPort();
  port.reset(second);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_EQ(port.get(), second);
  port.reset(second);
  EXPECT_TRUE(IsOpen(second)) << "the handle that is owned already is kept";
  port.reset();
  EXPECT_FALSE(IsOpen(second));
  EXPECT_FALSE(port.is_valid());
}

TEST(Zx, ReleaseGivesTheHandleAway) {
  zx_handle_t value = ZX_HANDLE_INVALID;
  {
    zx::Port port = MakePort();
    value = port.release();
    EXPECT_FALSE(port.is_valid());
  }
  EXPECT_TRUE(IsOpen(value));
  EXPECT_EQ(zx_handle_close(value), ZX_OK);
}

TEST(Zx, SwapExchangesTheHandles) {
  zx::Port a = MakePort();
  zx::Port b;
  const zx_handle_t value = a.get();
  a.swap(b);
  EXPECT_FALSE(a.is_valid());
  EXPECT_EQ(b.get(), value);
}

TEST(Zx, WhatACallGivesReplacesWhatWasThere) {
  zx::Port port = MakePort();
  const zx_handle_t before = port.get();
  ASSERT_EQ(zx::Port::create(0, &port), ZX_OK);
  EXPECT_FALSE(IsOpen(before));
  EXPECT_TRUE(IsOpen(port.get()));
}

TEST(Zx, AFailedCallLeavesNothingInItsPlace) {
  zx::Port port = MakePort();
  const zx_handle_t before = port.get();
  EXPECT_EQ(zx::Port::create(~0U, &port), ZX_ERR_INVALID_ARGS);
  EXPECT_FALSE(port.is_valid());
  EXPECT_FALSE(IsOpen(before));
}

TEST(Zx, DuplicateMakesASecondHandleToTheSameObject) {
  const zx::Port port = MakePort();
  zx::Port second;
  ASSERT_EQ(port.duplicate(ZX_RIGHT_SAME_RIGHTS, &second), ZX_OK);
  EXPECT_NE(second.get(), port.get());
  EXPECT_EQ(KoidOf(second.get()), KoidOf(port.get()));
}

TEST(Zx, AnObjectCanBeItsOwnTarget) {
  zx::Job job;
  ASSERT_EQ(zx::Job::create(*zx::Job::default_job(), 0, &job), ZX_OK);
  const zx_koid_t parent = KoidOf(job.get());
  ASSERT_EQ(zx::Job::create(job, 0, &job), ZX_OK);
  zx_info_handle_basic_t info = {};
  ASSERT_EQ(job.get_info(ZX_INFO_HANDLE_BASIC, &info, sizeof(info)), ZX_OK);
  EXPECT_EQ(info.related_koid, parent);
}

TEST(Zx, ReplaceLeavesNothingBehindWhateverItsStatus) {
  zx::Port port = MakePort();
  zx_handle_t before = port.get();
  ASSERT_EQ(port.replace(ZX_RIGHT_WRITE, &port), ZX_OK);
  EXPECT_FALSE(IsOpen(before));
  EXPECT_TRUE(IsOpen(port.get()));
  before = port.get();
  zx::Port other;
  EXPECT_EQ(port.replace(ZX_RIGHT_READ, &other), ZX_ERR_INVALID_ARGS);
  EXPECT_FALSE(port.is_valid());
  EXPECT_FALSE(other.is_valid());
  EXPECT_FALSE(IsOpen(before));
}

TEST(Zx, AnUnownedHandleIsNotClosed) {
  zx::Port port = MakePort();
  {
    zx::Unowned<zx::Port> unowned(port);
    const zx::Unowned<zx::Port> copy = unowned;
    unowned = copy;
    const zx::Unowned<zx::Port>& same = unowned;
    unowned = same;
    EXPECT_EQ(unowned->get(), port.get());
    EXPECT_EQ((*copy).get(), port.get());
  }
  EXPECT_TRUE(IsOpen(port.get()));
}

TEST(Zx, PacketsAndSignalsGoThroughTheCalls) {
  const zx::Port port = MakePort();
  zx::Job job;
  ASSERT_EQ(zx::Job::create(*zx::Job::default_job(), 0, &job), ZX_OK);
  ASSERT_EQ(job.wait_async(port, 7, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_ONCE), ZX_OK);
  ASSERT_EQ(job.signal(0, ZX_USER_SIGNAL_0), ZX_OK);
  EXPECT_EQ(job.wait_one(ZX_USER_SIGNAL_0, 0), ZX_OK);
  zx_port_packet_t packet = {};
  ASSERT_EQ(port.wait(0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 7U);
  EXPECT_EQ(port.cancel(job, 7), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(port.queue(&packet), ZX_OK);
}

TEST(Zx, TheStatusOfACallIsReturned) {
  const zx::Thread none;
  EXPECT_EQ(none.resume(ZX_RESUME_TRY_NEXT), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(none.resume(0), ZX_ERR_BAD_HANDLE);
  zx::SuspendToken token;
  EXPECT_EQ(none.suspend(&token), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(none.bind_exception_port(zx::Port(), 0, 0, -1), ZX_ERR_INVALID_ARGS);
  const zx::Process process;
  zx_handle_t raw = ZX_HANDLE_INVALID;
  zx::Thread thread(NewPort());
  raw = thread.get();
  zx::Process out;
  EXPECT_EQ(zx::Process::spawn(zx::Job(), {}, &out, &thread), ZX_ERR_BAD_HANDLE);
  EXPECT_FALSE(thread.is_valid());
  EXPECT_FALSE(IsOpen(raw));
  EXPECT_EQ(process.kill(), ZX_ERR_BAD_HANDLE);
}

}  // namespace
}  // namespace zxctl::test
