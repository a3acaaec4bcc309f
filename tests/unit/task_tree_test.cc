#include "supervisor/task_tree.h"

#include <gtest/gtest.h>

namespace zxctl {
namespace {

TEST(TaskTree, AProcessGoesWithItsLastThread) {
  TaskTree tree;
  Process& process = tree.AddProcess(10, tree.root_job());
  tree.Join(tree.AddThread(10), process);
  tree.Join(tree.AddThread(11), process);
  tree.RemoveThread(10);
  ASSERT_NE(tree.FindProcess(10), nullptr);
  tree.RemoveThread(11);
  EXPECT_EQ(tree.FindProcess(10), nullptr);
  EXPECT_EQ(tree.thread_count(), 0U);
}

TEST(TaskTree, KoidsAreNeverReused) {
  TaskTree tree;
  const Koid first = tree.AddThread(5).koid;
  tree.RemoveThread(5);
  EXPECT_GT(tree.AddThread(5).koid, first);
  EXPECT_GE(first, 1024U);
}

TEST(TaskTree, ExecFromAnotherThreadKeepsProcessAndKoid) {
  TaskTree tree;
  Process& process = tree.AddProcess(10, tree.root_job());
  tree.Join(tree.AddThread(10), process);
  Thread& caller = tree.AddThread(12);
  tree.Join(caller, process);
  const Koid koid = caller.koid;
  Thread& renamed = tree.Rename(12, 10);
  EXPECT_EQ(renamed.tid, 10);
  EXPECT_EQ(renamed.koid, koid);
  EXPECT_EQ(tree.FindThread(10), &renamed);
  EXPECT_EQ(tree.FindThread(12), nullptr);
  ASSERT_NE(tree.FindProcess(10), nullptr);
  EXPECT_EQ(tree.FindProcess(10)->threads, std::vector<Thread*>{&renamed});
}

TEST(TaskTree, RemovingTheUnknownIsNothing) {
  TaskTree tree;
  tree.RemoveThread(99);
  EXPECT_EQ(tree.thread_count(), 0U);
}

}  // namespace
}  // namespace zxctl
