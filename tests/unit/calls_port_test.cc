#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <vector>

#include "support/handles.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

TEST(PortCreate, ErrorsComeInTheirOrder) {
  zx_handle_t out = 5;
  EXPECT_EQ(zx_port_create(2, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("options has 0x2"));
  EXPECT_EQ(zx_port_create(0, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("out is null"));
  EXPECT_EQ(zx_port_create(2, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(out, 5U);
  ASSERT_EQ(zx_port_create(ZX_PORT_BIND_TO_INTERRUPT, &out), ZX_OK);
  EXPECT_EQ(zx_handle_close(out), ZX_OK);
}

TEST(PortQueue, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle reader(Without(port, ZX_RIGHT_WRITE));
  const zx_port_packet_t packet = {};
  while (zx_port_queue(port, &packet) == ZX_OK) {
  }
  EXPECT_EQ(zx_port_queue(Stale(), nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_port_queue(zx_job_default(), nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_port_queue(reader, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_port_queue(port, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_port_queue(port, &packet), ZX_ERR_SHOULD_WAIT);
  EXPECT_THAT(LastError(), HasSubstr("2049 packets"));
}

TEST(PortWait, ErrorsComeInTheirOrderAndABadPointerTakesNoPacket) {
  const OwnedHandle port(NewPort());
  const OwnedHandle writer(Without(port, ZX_RIGHT_READ));
  zx_port_packet_t packet = {};
  EXPECT_EQ(zx_port_wait(Stale(), 0, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_port_wait(zx_job_default(), 0, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_port_wait(writer, 0, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_port_wait(port, 0, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
  packet.key = 4;
  ASSERT_EQ(zx_port_queue(port, &packet), ZX_OK);
  EXPECT_EQ(zx_port_wait(port, ZX_TIME_INFINITE, nullptr), ZX_ERR_INVALID_ARGS);
  packet = {};
  ASSERT_EQ(zx_port_wait(port, 0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 4U);
}

TEST(PortCancelCall, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle reader(Without(port, ZX_RIGHT_WRITE));
  const OwnedHandle job(NewJob());
  const OwnedHandle weak(Without(job, ZX_RIGHT_WAIT));
  EXPECT_EQ(zx_port_cancel(Stale(), Stale(), 1), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_port_cancel(job, Stale(), 1), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_port_cancel(reader, Stale(), 1), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_port_cancel(port, Stale(), 1), ZX_ERR_BAD_HANDLE);
  EXPECT_THAT(LastError(), HasSubstr("source"));
  EXPECT_EQ(zx_port_cancel(port, weak, 1), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_port_cancel(port, port, 1), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_port_cancel(port, job, 1), ZX_ERR_NOT_FOUND);
  ASSERT_EQ(zx_object_wait_async(job, port, 1, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_ONCE), ZX_OK);
  EXPECT_EQ(zx_port_cancel(port, job, 1), ZX_OK);
}

TEST(WaitAsyncCall, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle reader(Without(port, ZX_RIGHT_WRITE));
  const OwnedHandle job(NewJob());
  const OwnedHandle weak(Without(job, ZX_RIGHT_WAIT));
  EXPECT_EQ(zx_object_wait_async(Stale(), Stale(), 1, 1, 9), ZX_ERR_BAD_HANDLE);
  EXPECT_THAT(LastError(), HasSubstr("port"));
  EXPECT_EQ(zx_object_wait_async(Stale(), job, 1, 1, 9), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_object_wait_async(Stale(), reader, 1, 1, 9), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_wait_async(Stale(), port, 1, 1, 9), ZX_ERR_BAD_HANDLE);
  EXPECT_THAT(LastError(), HasSubstr("handle"));
  EXPECT_EQ(zx_object_wait_async(weak, port, 1, 1, 9), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_wait_async(port, port, 1, 1, 9), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_wait_async(job, port, 1, 1, 9), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("options"));
}

TEST(WaitAsyncCall, PacketsSayWhatWasWaitedFor) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  ASSERT_EQ(zx_object_wait_async(job, port, 11, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_REPEATING), ZX_OK);
  ASSERT_EQ(zx_object_signal(job, 0, ZX_USER_SIGNAL_0), ZX_OK);
  zx_port_packet_t packet = {};
  ASSERT_EQ(zx_port_wait(port, 0, &packet), ZX_OK);
  EXPECT_TRUE(ZX_PKT_IS_SIGNAL_REP(packet.type));
  EXPECT_EQ(packet.key, 11U);
  EXPECT_EQ(packet.signal.trigger, ZX_USER_SIGNAL_0);
}

TEST(PortGetFd, ErrorsComeInTheirOrderAndTheDescriptorFollowsThePort) {
  const OwnedHandle port(NewPort());
  const OwnedHandle writer(Without(port, ZX_RIGHT_READ));
  int fd = -1;
  EXPECT_EQ(zxl_port_get_fd(Stale(), nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zxl_port_get_fd(zx_job_default(), nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zxl_port_get_fd(writer, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zxl_port_get_fd(port, nullptr), ZX_ERR_INVALID_ARGS);
  ASSERT_EQ(zxl_port_get_fd(port, &fd), ZX_OK);
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&entry, 1, 0), 0);
  const zx_port_packet_t packet = {};
  ASSERT_EQ(zx_port_queue(port, &packet), ZX_OK);
  EXPECT_EQ(poll(&entry, 1, 0), 1);
}

}  // namespace
}  // namespace zxctl::test
