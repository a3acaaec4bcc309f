#include "object/job.h"

#include <gtest/gtest.h>

#include "object/port.h"

namespace zxctl {
namespace {

RefPtr<Job> Child(const RefPtr<Job>& parent) {
  RefPtr<Job> job;
  EXPECT_EQ(Job::Create(parent, &job), ZX_OK);
  return job;
}

std::vector<zx_koid_t> ListOf(Job& job, uint32_t topic) {
  std::vector<zx_koid_t> koids;
  EXPECT_EQ(job.ListKoids(topic, &koids), ZX_OK);
  return koids;
}

TEST(Job, KnowsItsParentByNumber) {
  const auto root = Job::CreateRoot();
  const auto job = Child(root);
  EXPECT_EQ(root->related_koid(), ZX_KOID_INVALID);
  EXPECT_EQ(job->related_koid(), root->koid());
  EXPECT_NE(job->koid(), root->koid());
  EXPECT_GE(root->koid(), ZX_KOID_FIRST);
}

TEST(Job, ListsItsOwnChildrenInTheOrderOfTheirCreation) {
  const auto root = Job::CreateRoot();
  const auto first = Child(root);
  const auto second = Child(root);
  const auto grandchild = Child(first);
  EXPECT_EQ(ListOf(*root, ZX_INFO_JOB_CHILDREN), (std::vector{first->koid(), second->koid()}));
  EXPECT_EQ(ListOf(*first, ZX_INFO_JOB_CHILDREN), std::vector{grandchild->koid()});
  EXPECT_TRUE(ListOf(*root, ZX_INFO_JOB_PROCESSES).empty());
}

TEST(Job, FindsItsOwnChildrenByNumber) {
  const auto root = Job::CreateRoot();
  const auto child = Child(root);
  const auto grandchild = Child(child);
  EXPECT_EQ(root->FindChild(child->koid()).get(), child.get());
  EXPECT_FALSE(root->FindChild(grandchild->koid()));
  EXPECT_FALSE(root->FindChild(root->koid()));
}

TEST(Job, LeavesTheTreeWithItsLastReferenceAndLivesForItsChildren) {
  const auto root = Job::CreateRoot();
  auto child = Child(root);
  auto grandchild = Child(child);
  const zx_koid_t koid = child->koid();
  child = {};
  EXPECT_TRUE(root->FindChild(koid));
  grandchild = {};
  EXPECT_FALSE(root->FindChild(koid));
  EXPECT_TRUE(ListOf(*root, ZX_INFO_JOB_CHILDREN).empty());
}

TEST(Job, NoJobsFollowsTheChildren) {
  const auto root = Job::CreateRoot();
  EXPECT_EQ(root->signals(), ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
  auto first = Child(root);
  auto second = Child(root);
  EXPECT_EQ(root->signals(), ZX_JOB_NO_PROCESSES);
  first = {};
  EXPECT_EQ(root->signals(), ZX_JOB_NO_PROCESSES);
  second = {};
  EXPECT_EQ(root->signals(), ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES);
}

TEST(Job, ATreeIsOnlySoHigh) {
  auto job = Job::CreateRoot();
  for (uint32_t height = 1; height < Job::kMaxHeight; ++height) job = Child(job);
  RefPtr<Job> none;
  EXPECT_EQ(Job::Create(job, &none), ZX_ERR_OUT_OF_RANGE);
  EXPECT_FALSE(none);
  EXPECT_EQ(job->signals() & ZX_JOB_NO_JOBS, ZX_JOB_NO_JOBS);
}

TEST(DownCast, GivesNothingForAnotherKindOfObject) {
  const RefPtr<Dispatcher> object = Job::CreateRoot();
  EXPECT_TRUE(DownCast<Job>(object));
  EXPECT_FALSE(DownCast<Port>(object));
}

}  // namespace
}  // namespace zxctl
