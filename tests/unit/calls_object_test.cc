#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "support/handles.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

// ---- zx_object_get_info ----------------------------------------------------------------------------------------------

TEST(GetInfo, BasicSaysWhatAHandleIs) {
  const OwnedHandle job(NewJob());
  const OwnedHandle port(NewPort());
  zx_info_handle_basic_t info = {};
  size_t actual = 9;
  size_t avail = 9;
  ASSERT_EQ(zx_object_get_info(job, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), &actual, &avail), ZX_OK);
  EXPECT_EQ(actual, 1U);
  EXPECT_EQ(avail, 1U);
  EXPECT_EQ(info.type, ZX_OBJ_TYPE_JOB);
  EXPECT_EQ(info.rights, 0x7DFCFU);
  EXPECT_EQ(info.related_koid, KoidOf(zx_job_default()));
  EXPECT_EQ(info.props, ZX_OBJ_PROP_WAITABLE);
  ASSERT_EQ(zx_object_get_info(port, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  EXPECT_EQ(info.type, ZX_OBJ_TYPE_PORT);
  EXPECT_EQ(info.rights, 0x800FU);
  EXPECT_EQ(info.related_koid, ZX_KOID_INVALID);
  EXPECT_EQ(info.props, ZX_OBJ_PROP_NONE);
}

TEST(GetInfo, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  const OwnedHandle weak(Without(job, ZX_RIGHT_ENUMERATE));
  auto* const odd = reinterpret_cast<size_t*>(3);
  EXPECT_EQ(zx_object_get_info(Stale(), 12345, nullptr, 0, nullptr, nullptr), ZX_ERR_NOT_SUPPORTED);
  EXPECT_THAT(LastError(), HasSubstr("topic is 12345, which nothing answers"));
  EXPECT_EQ(zx_object_get_info(Stale(), ZX_INFO_JOB_CHILDREN, nullptr, 8, odd, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_object_get_info(port, ZX_INFO_JOB_CHILDREN, nullptr, 8, odd, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_object_get_info(weak, ZX_INFO_JOB_CHILDREN, nullptr, 8, odd, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, nullptr, 8, odd, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("actual is not aligned"));
  EXPECT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, nullptr, 8, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_get_info(job, ZX_INFO_PROCESS, nullptr, 0, nullptr, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_object_get_info(job, ZX_INFO_THREAD, nullptr, 0, nullptr, nullptr), ZX_ERR_WRONG_TYPE);
}

TEST(GetInfo, ARecordThatDoesNotFitIsTooSmallBeforeItsPointerCounts) {
  size_t actual = 9;
  size_t avail = 9;
  EXPECT_EQ(zx_object_get_info(zx_job_default(), ZX_INFO_HANDLE_BASIC, nullptr, 31, &actual, &avail),
            ZX_ERR_BUFFER_TOO_SMALL);
  EXPECT_EQ(actual, 0U);
  EXPECT_EQ(avail, 1U);
  EXPECT_EQ(zx_object_get_info(zx_job_default(), ZX_INFO_HANDLE_BASIC, nullptr, 32, nullptr, nullptr),
            ZX_ERR_INVALID_ARGS);
}

TEST(GetInfo, ValidNeedsNeitherRightNorBuffer) {
  const OwnedHandle port(NewPort());
  const OwnedHandle bare(Without(port, ~0U));
  EXPECT_EQ(zx_object_get_info(bare, ZX_INFO_HANDLE_VALID, nullptr, 0, nullptr, nullptr), ZX_OK);
  EXPECT_EQ(zx_object_get_info(Stale(), ZX_INFO_HANDLE_VALID, nullptr, 0, nullptr, nullptr), ZX_ERR_BAD_HANDLE);
}

TEST(GetInfo, AShortBufferGetsTheFirstChildrenAndTheNumberOfAll) {
  const OwnedHandle job(NewJob());
  const OwnedHandle first(NewJob(job));
  const OwnedHandle second(NewJob(job));
  std::array<zx_koid_t, 3> koids = {7, 7, 7};
  size_t actual = 0;
  size_t avail = 0;
  // Bytes that make no whole number are not used.
  ASSERT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, koids.data(), 15, &actual, &avail), ZX_OK);
  EXPECT_EQ(actual, 1U);
  EXPECT_EQ(avail, 2U);
  EXPECT_EQ(koids, (std::array<zx_koid_t, 3>{KoidOf(first), 7, 7}));
  ASSERT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, koids.data(), sizeof(koids), &actual, &avail), ZX_OK);
  EXPECT_EQ(actual, 2U);
  EXPECT_EQ(koids, (std::array<zx_koid_t, 3>{KoidOf(first), KoidOf(second), 7}));
  ASSERT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, nullptr, 0, &actual, &avail), ZX_OK);
  EXPECT_EQ(actual, 0U);
  EXPECT_EQ(avail, 2U);
  ASSERT_EQ(zx_object_get_info(job, ZX_INFO_JOB_PROCESSES, koids.data(), sizeof(koids), &actual, &avail), ZX_OK);
  EXPECT_EQ(avail, 0U);
}

// ---- properties ------------------------------------------------------------------------------------------------------

TEST(Property, ANameIsCutAtThirtyOneBytes) {
  const OwnedHandle job(NewJob());
  const std::string name(50, 'n');
  ASSERT_EQ(zx_object_set_property(job, ZX_PROP_NAME, name.data(), name.size()), ZX_OK);
  std::array<char, 32> out;
  out.fill('x');
  ASSERT_EQ(zx_object_get_property(job, ZX_PROP_NAME, out.data(), out.size()), ZX_OK);
  EXPECT_EQ(std::string(out.data()), name.substr(0, 31));
  ASSERT_EQ(zx_object_set_property(job, ZX_PROP_NAME, nullptr, 0), ZX_OK);
  ASSERT_EQ(zx_object_get_property(job, ZX_PROP_NAME, out.data(), out.size()), ZX_OK);
  EXPECT_EQ(out, (std::array<char, 32>{}));
}

TEST(Property, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  const OwnedHandle weak(Without(job, ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY));
  EXPECT_EQ(zx_object_get_property(Stale(), ZX_PROP_NAME, nullptr, 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_object_get_property(port, ZX_PROP_NAME, nullptr, 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_object_get_property(weak, ZX_PROP_NAME, nullptr, 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_get_property(weak, 999, nullptr, 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_get_property(job, 999, nullptr, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_get_property(job, ZX_PROP_NAME, nullptr, 31), ZX_ERR_BUFFER_TOO_SMALL);
  EXPECT_EQ(zx_object_get_property(job, ZX_PROP_NAME, nullptr, 32), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_set_property(Stale(), ZX_PROP_NAME, nullptr, 1), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_object_set_property(port, ZX_PROP_NAME, nullptr, 1), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_object_set_property(weak, ZX_PROP_NAME, nullptr, 1), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_set_property(job, 999, nullptr, 1), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("property"));
  EXPECT_EQ(zx_object_set_property(job, ZX_PROP_NAME, nullptr, 1), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("value is null"));
}

// ---- children --------------------------------------------------------------------------------------------------------

TEST(GetChild, OpensTheChildWithTheRightsOfTheParentOrLess) {
  const OwnedHandle job(NewJob());
  const OwnedHandle child(NewJob(job));
  const OwnedHandle parent(Without(job, ZX_RIGHT_WRITE));
  zx_handle_t out = ZX_HANDLE_INVALID;
  ASSERT_EQ(zx_object_get_child(parent, KoidOf(child), ZX_RIGHT_SAME_RIGHTS, &out), ZX_OK);
  const OwnedHandle same(out);
  EXPECT_EQ(KoidOf(same), KoidOf(child));
  zx_info_handle_basic_t info = {};
  ASSERT_EQ(zx_object_get_info(same, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  EXPECT_EQ(info.rights, ZX_DEFAULT_JOB_RIGHTS & ~ZX_RIGHT_WRITE);
  EXPECT_EQ(zx_object_get_child(parent, KoidOf(child), ZX_RIGHT_WRITE, &out), ZX_ERR_INVALID_ARGS);
}

TEST(GetChild, OfAJobWithoutHandlesWorksWhileItLives) {
  const OwnedHandle job(NewJob());
  zx_handle_t child = NewJob(job);
  const zx_koid_t koid = KoidOf(child);
  zx_handle_t grandchild = NewJob(child);
  ASSERT_EQ(zx_handle_close(child), ZX_OK);
  ASSERT_EQ(zx_object_get_child(job, koid, ZX_RIGHT_SAME_RIGHTS, &child), ZX_OK);
  ASSERT_EQ(zx_handle_close(child), ZX_OK);
  ASSERT_EQ(zx_handle_close(grandchild), ZX_OK);
  EXPECT_EQ(zx_object_get_child(job, koid, ZX_RIGHT_SAME_RIGHTS, &child), ZX_ERR_NOT_FOUND);
}

TEST(GetChild, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  const OwnedHandle weak(Without(job, ZX_RIGHT_ENUMERATE | ZX_RIGHT_WRITE));
  const OwnedHandle weaker(Without(job, ZX_RIGHT_WRITE));
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_object_get_child(Stale(), 1, ZX_RIGHT_WRITE, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_object_get_child(port, 1, ZX_RIGHT_EXECUTE, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_object_get_child(weak, 1, ZX_RIGHT_WRITE, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_get_child(weaker, 1, ZX_RIGHT_WRITE, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("rights"));
  EXPECT_EQ(zx_object_get_child(job, 1, ZX_RIGHT_SAME_RIGHTS, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_get_child(job, 1, ZX_RIGHT_SAME_RIGHTS, &out), ZX_ERR_NOT_FOUND);
}

// ---- jobs ------------------------------------------------------------------------------------------------------------

TEST(JobCreate, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle weak(Without(zx_job_default(), ZX_RIGHT_MANAGE_JOB));
  EXPECT_EQ(zx_job_create(Stale(), 1, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("options"));
  EXPECT_EQ(zx_job_create(Stale(), 0, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_job_create(port, 0, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_job_create(weak, 0, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_job_create(zx_job_default(), 0, nullptr), ZX_ERR_INVALID_ARGS);
}

TEST(JobCreate, InAJobThatWasKilledIsABadState) {
  const OwnedHandle job(NewJob());
  ASSERT_EQ(zx_task_kill(job), ZX_OK);
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_job_create(job, 0, &out), ZX_ERR_BAD_STATE);
  EXPECT_THAT(LastError(), HasSubstr("was killed, and nothing can be made in it any more: use another job"));
}

TEST(JobCreate, ATreeThatIsTooHighIsOutOfRange) {
  std::vector<zx_handle_t> jobs = {NewJob()};
  zx_status_t status = ZX_OK;
  while (status == ZX_OK && jobs.size() < 100) {
    zx_handle_t job = ZX_HANDLE_INVALID;
    status = zx_job_create(jobs.back(), 0, &job);
    if (status == ZX_OK) jobs.push_back(job);
  }
  EXPECT_EQ(status, ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(jobs.size(), 31U);  // and the default job
  EXPECT_EQ(zx_handle_close_many(jobs.data(), jobs.size()), ZX_OK);
}

TEST(JobDefault, IsTheSameEveryTimeAndHasNoParent) {
  EXPECT_EQ(zx_job_default(), zx_job_default());
  zx_info_handle_basic_t info = {};
  ASSERT_EQ(zx_object_get_info(zx_job_default(), ZX_INFO_HANDLE_BASIC, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  EXPECT_EQ(info.type, ZX_OBJ_TYPE_JOB);
  EXPECT_EQ(info.related_koid, ZX_KOID_INVALID);
}

// ---- signals ---------------------------------------------------------------------------------------------------------

TEST(ObjectSignal, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  EXPECT_EQ(zx_object_signal(Stale(), 1, 1), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_object_signal(port, 1, 1), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_signal(job, 0, ZX_JOB_TERMINATED), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_signal(job, ZX_JOB_NO_JOBS, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_signal(job, 0, ZX_SIGNAL_HANDLE_CLOSED), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_signal(job, 0, ZX_USER_SIGNAL_ALL), ZX_OK);
}

TEST(WaitOne, SeesAllSignalsAndMayBeToldNotToSay) {
  const OwnedHandle job(NewJob());
  ASSERT_EQ(zx_object_signal(job, 0, ZX_USER_SIGNAL_3), ZX_OK);
  zx_signals_t observed = 0;
  ASSERT_EQ(zx_object_wait_one(job, ZX_USER_SIGNAL_3, ZX_TIME_INFINITE, &observed), ZX_OK);
  EXPECT_EQ(observed, ZX_USER_SIGNAL_3 | ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
  EXPECT_EQ(zx_object_wait_one(job, ZX_USER_SIGNAL_3, 0, nullptr), ZX_OK);
  EXPECT_EQ(zx_object_wait_one(job, ZX_USER_SIGNAL_4, 0, &observed), ZX_ERR_TIMED_OUT);
  EXPECT_EQ(observed, ZX_USER_SIGNAL_3 | ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
}

TEST(WaitOne, ErrorsComeInTheirOrder) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  const OwnedHandle weak(Without(job, ZX_RIGHT_WAIT));
  auto* const odd = reinterpret_cast<zx_signals_t*>(1);
  EXPECT_EQ(zx_object_wait_one(Stale(), 1, 0, odd), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_object_wait_one(port, 1, 0, odd), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_wait_one(weak, 1, 0, odd), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_object_wait_one(job, 1, 0, odd), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_wait_one(job, 1, 0, nullptr), ZX_ERR_TIMED_OUT);
}

TEST(WaitMany, ErrorsComeInTheirOrderAndTheFirstBadItemCounts) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  std::array<zx_wait_item_t, 65> items;
  items.fill({.handle = job, .waitfor = ZX_JOB_NO_JOBS, .pending = 5});
  EXPECT_EQ(zx_object_wait_many(nullptr, 65, 0), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_object_wait_many(nullptr, 1, 0), ZX_ERR_INVALID_ARGS);
  items[1].handle = port;
  items[2].handle = Stale();
  EXPECT_EQ(zx_object_wait_many(items.data(), 3, 0), ZX_ERR_ACCESS_DENIED);
  std::swap(items[1], items[2]);
  EXPECT_EQ(zx_object_wait_many(items.data(), 3, 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(items[0].pending, 5U);
  items[1] = items[2] = items[0];
  EXPECT_EQ(zx_object_wait_many(items.data(), 64, 0), ZX_OK);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(items[i].pending, ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
  EXPECT_EQ(items[64].pending, 5U);
  EXPECT_EQ(zx_object_wait_many(nullptr, 0, 0), ZX_ERR_TIMED_OUT);
}

}  // namespace
}  // namespace zxctl::test
