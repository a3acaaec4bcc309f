#include "report/thread_groups.h"

#include <gtest/gtest.h>

#include "unit/report_sample.h"

namespace zxctl::report::test {
namespace {

std::vector<Frame> Recursion(const std::vector<std::string>& cycle, size_t times) {
  std::vector<Frame> frames;
  for (size_t i = 0; i < times; ++i) {
    for (size_t j = 0; j < cycle.size(); ++j) frames.push_back(MakeFrame(0x1000 + j, cycle[j]));
  }
  return frames;
}

TEST(GroupThreads, PutsThreadsWithTheSameStackTogether) {
  const std::vector<ThreadInfo> threads = {MakeThread(1, "a", {MakeFrame(1, "poll")}),
                                           MakeThread(2, "b", {MakeFrame(2, "wait")}),
                                           MakeThread(3, "c", {MakeFrame(1, "poll")})};
  const std::vector<ThreadGroup> groups = GroupThreads(threads);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].threads.size(), 2u);
  EXPECT_EQ(groups[0].threads[1]->tid, 3);
  EXPECT_EQ(groups[1].threads[0]->tid, 2);
}

TEST(GroupThreads, KeepsThreadsWithoutFramesApartByState) {
  std::vector<ThreadInfo> threads = {MakeThread(1, "a", {}), MakeThread(2, "b", {}), MakeThread(3, "c", {})};
  threads[1].state = "could not be stopped";
  EXPECT_EQ(GroupThreads(threads).size(), 2u);
}

TEST(DescribeGroup, NamesFewThreadsAndCountsMany) {
  std::vector<ThreadInfo> threads;
  for (int i = 0; i < 65; ++i) threads.push_back(MakeThread(12 + i, "worker", {MakeFrame(1, "wait")}));
  EXPECT_EQ(DescribeGroup(GroupThreads(threads)[0]), "threads 12, 13 and 63 more (worker)");
  threads.resize(3);
  EXPECT_EQ(DescribeGroup(GroupThreads(threads)[0]), "threads 12, 13 and 14 (worker)");
  threads.resize(1);
  EXPECT_EQ(DescribeGroup(GroupThreads(threads)[0]), "thread 12 (worker)");
}

TEST(DescribeGroup, ListsAFewNames) {
  std::vector<ThreadInfo> threads;
  for (const char* name : {"a", "b", "a", "c", "d", "e"}) threads.push_back(MakeThread(1, name, {}));
  EXPECT_EQ(DescribeGroup(GroupThreads(threads)[0]), "threads 1, 1 and 4 more (a, b, c, ...)");
}

TEST(CollapseRecursion, TellsDeepRecursionOnce) {
  std::vector<Frame> frames = Recursion({"deep"}, 1000);
  frames.push_back(MakeFrame(0x2000, "main"));
  const std::vector<FrameRun> runs = CollapseRecursion(frames);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].times, 1000u);
  EXPECT_EQ(runs[1].first, 1000u);
}

TEST(CollapseRecursion, FindsCyclesOfSeveralFunctions) {
  const std::vector<FrameRun> runs = CollapseRecursion(Recursion({"even", "odd", "third"}, 50));
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].length, 3u);
  EXPECT_EQ(runs[0].times, 50u);
}

TEST(CollapseRecursion, LeavesShortRepeatsAndCoversEveryFrame) {
  const std::vector<Frame> frames = Recursion({"twice"}, 3);
  const std::vector<FrameRun> runs = CollapseRecursion(frames);
  EXPECT_EQ(runs.size(), 3u);
  for (size_t i = 0; i < runs.size(); ++i) EXPECT_EQ(runs[i].first, i);
}

}  // namespace
}  // namespace zxctl::report::test
