#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "support/handles.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(HandleClose, ZeroIsFineAndAStaleValueIsBad) {
  EXPECT_EQ(zx_handle_close(ZX_HANDLE_INVALID), ZX_OK);
  EXPECT_EQ(zx_handle_close(Stale()), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_handle_close(3), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_handle_close(~0U), ZX_ERR_BAD_HANDLE);
}

TEST(HandleCloseMany, ClosesAllThatCanBeAlsoBehindABadOne) {
  const std::array handles = {NewPort(), ZX_HANDLE_INVALID, Stale(), NewPort()};
  EXPECT_EQ(zx_handle_close_many(handles.data(), handles.size()), ZX_ERR_BAD_HANDLE);
  for (const zx_handle_t handle : {handles[0], handles[3]}) EXPECT_EQ(zx_handle_close(handle), ZX_ERR_BAD_HANDLE);
}

TEST(HandleCloseMany, OfNoneAndOfZerosIsOk) {
  const std::array<zx_handle_t, 3> zeros = {};
  EXPECT_EQ(zx_handle_close_many(nullptr, 0), ZX_OK);
  EXPECT_EQ(zx_handle_close_many(zeros.data(), zeros.size()), ZX_OK);
}

TEST(HandleCloseMany, TheSameHandleTwiceIsBad) {
  const zx_handle_t port = NewPort();
  const std::array handles = {port, port};
  EXPECT_EQ(zx_handle_close_many(handles.data(), handles.size()), ZX_ERR_BAD_HANDLE);
}

TEST(HandleDuplicate, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle weak(Without(port, ZX_RIGHT_DUPLICATE));
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_handle_duplicate(Stale(), ~0U, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_handle_duplicate(weak, ~0U, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_handle_duplicate(port, ZX_RIGHT_EXECUTE, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("rights"));
  EXPECT_EQ(zx_handle_duplicate(port, ZX_RIGHT_SAME_RIGHTS, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("out is null"));
  EXPECT_EQ(zx_handle_duplicate(port, ZX_RIGHT_SAME_RIGHTS, &out), ZX_OK);
  EXPECT_EQ(zx_handle_close(out), ZX_OK);
}

TEST(HandleReplace, ErrorsComeInTheirOrder) {
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_handle_replace(Stale(), ~0U, nullptr), ZX_ERR_BAD_HANDLE);
  const zx_handle_t port = NewPort();
  EXPECT_EQ(zx_handle_replace(port, ZX_RIGHT_EXECUTE, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("out is null"));
  // A bad pointer has changed nothing; too many rights have closed the handle.
  EXPECT_EQ(zx_handle_replace(port, ZX_RIGHT_EXECUTE, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("EXECUTE"));
  EXPECT_EQ(zx_handle_replace(port, ZX_RIGHT_READ, &out), ZX_ERR_BAD_HANDLE);
}

TEST(LastError, NamesTheCallTheArgumentAndTheRemedy) {
  const OwnedHandle port(NewPort());
  const OwnedHandle weak(Without(port, ZX_RIGHT_WRITE));
  const zx_port_packet_t packet = {};
  EXPECT_EQ(zx_port_queue(weak, &packet), ZX_ERR_ACCESS_DENIED);
  EXPECT_THAT(LastError(), StartsWith("zx_port_queue: handle lacks the right WRITE: use a handle that has WRITE"));
  EXPECT_EQ(zx_port_queue(zx_job_default(), &packet), ZX_ERR_WRONG_TYPE);
  EXPECT_THAT(LastError(), StartsWith("zx_port_queue: handle is a job, not a port"));
  EXPECT_EQ(zx_port_queue(17, &packet), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(LastError(), "zx_port_queue: handle is 0x11, which is no open handle, and never was one");
  EXPECT_EQ(zx_port_queue(Stale(), &packet), ZX_ERR_BAD_HANDLE);
  EXPECT_THAT(LastError(), HasSubstr("which is no open handle: it has been closed"));
  EXPECT_EQ(zx_port_queue(ZX_HANDLE_INVALID, &packet), ZX_ERR_BAD_HANDLE);
  EXPECT_THAT(LastError(), HasSubstr("handle is 0, which is no handle"));
}

TEST(LastError, OfRightsSaysWhatWouldMendIt) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_object_get_child(port, 1, 0, &out), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(LastError(), "zx_object_get_child: handle is a port, which has no children: jobs and processes do");
  EXPECT_EQ(zx_object_get_child(job, 1, ZX_RIGHT_EXECUTE | 1U << 20, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), StartsWith("zx_object_get_child: rights asks for EXECUTE, 0x100000 (no right), which the "));
  EXPECT_EQ(zx_object_get_child(job, 1, ZX_RIGHT_SAME_RIGHTS | ZX_RIGHT_READ, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("SAME_RIGHTS together with others"));
  EXPECT_EQ(zx_object_signal(port, 0, 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(LastError(), "zx_object_signal: handle lacks the right SIGNAL, which no handle to a port has");
  EXPECT_EQ(zx_object_wait_one(port, 0, 0, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_THAT(LastError(), HasSubstr("no signals to wait for: zx_port_wait() takes its packets"));
}

TEST(LastError, NamesTheTypesThatACallTakes) {
  const OwnedHandle port(NewPort());
  int32_t pid = 0;
  for (const auto& call : {+[](zx_handle_t h) { return zx_task_kill(h); },
                           +[](zx_handle_t h) { return zx_task_bind_exception_port(h, h, 0, 0); }}) {
    EXPECT_EQ(call(port), ZX_ERR_WRONG_TYPE);
    EXPECT_THAT(LastError(), HasSubstr("task is a port, not a task: pass a handle to a job, process or thread"));
  }
  EXPECT_EQ(zxl_task_get_pid(zx_job_default(), &pid), ZX_ERR_WRONG_TYPE);
  EXPECT_THAT(LastError(), HasSubstr("task is a job, which Linux has no number for"));
  EXPECT_EQ(zx_task_suspend(zx_job_default(), nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_THAT(LastError(), HasSubstr("task is a job, which cannot be suspended"));
}

TEST(LastError, IsOneForEachThreadAndStaysThroughSuccesses) {
  EXPECT_EQ(zx_handle_close(3), ZX_ERR_BAD_HANDLE);
  const std::string mine = LastError();
  EXPECT_THAT(mine, HasSubstr("0x3"));
  std::thread([] {
    EXPECT_EQ(LastError(), "");
    EXPECT_EQ(zx_handle_close(7), ZX_ERR_BAD_HANDLE);
    EXPECT_THAT(LastError(), HasSubstr("0x7"));
  }).join();
  EXPECT_EQ(zx_handle_close(NewPort()), ZX_OK);
  EXPECT_EQ(LastError(), mine);
}

TEST(StatusString, NamesEveryStatusAndNoOtherNumber) {
  EXPECT_STREQ(zx_status_get_string(ZX_OK), "ZX_OK");
  EXPECT_STREQ(zx_status_get_string(ZX_ERR_SHOULD_WAIT), "ZX_ERR_SHOULD_WAIT");
  EXPECT_STREQ(zx_status_get_string(ZX_ERR_CONNECTION_ABORTED), "ZX_ERR_CONNECTION_ABORTED");
  EXPECT_STREQ(zx_status_get_string(1), "(UNKNOWN)");
  EXPECT_STREQ(zx_status_get_string(-9999), "(UNKNOWN)");
}

}  // namespace
}  // namespace zxctl::test
