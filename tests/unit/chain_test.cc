#include "exceptions/chain.h"

#include <gtest/gtest.h>

#include "exceptions/router.h"

namespace zxctl {
namespace {

class Nobody final : public ExceptionHandler {
 public:
  HandlerAnswer Offer(const ExceptionPacket& /*packet*/) override { return HandlerAnswer::kTryNext; }
  HandlerAnswer Withdraw(pid_t /*tid*/) override { return HandlerAnswer::kPending; }
};

class ChainWalkTest : public testing::Test {
 protected:
  ChainWalkTest() {
    root_.koid = 1;
    child_.koid = 2;
    child_.parent = &root_;
    process_.koid = 3;
    process_.job = &child_;
    thread_.koid = 4;
    thread_.process = &process_;
  }

  void Bind(Koid task, ChainLevel level, Binding binding = {}) {
    binding.handler = &nobody_;
    ASSERT_TRUE(bindings_.Bind(task, level, binding));
  }

  std::vector<std::pair<ChainLevel, Koid>> Walk(Chance chance) {
    std::vector<std::pair<ChainLevel, Koid>> seen;
    ChainWalk walk(thread_, chance);
    while (const auto stop = walk.Next(bindings_)) seen.emplace_back(stop->level, stop->task);
    return seen;
  }

  Nobody nobody_;
  Job root_;
  Job child_;
  Process process_;
  Thread thread_;
  Bindings bindings_;
};

using Places = std::vector<std::pair<ChainLevel, Koid>>;

TEST_F(ChainWalkTest, GoesFromDebuggerToRootJob) {
  Bind(1, ChainLevel::kJob);
  Bind(2, ChainLevel::kJob);
  Bind(3, ChainLevel::kProcess);
  Bind(3, ChainLevel::kDebugger);
  Bind(4, ChainLevel::kThread);
  EXPECT_EQ(Walk(Chance::kBoth), (Places{{ChainLevel::kDebugger, 3},
                                         {ChainLevel::kThread, 4},
                                         {ChainLevel::kProcess, 3},
                                         {ChainLevel::kJob, 2},
                                         {ChainLevel::kJob, 1}}));
}

TEST_F(ChainWalkTest, SkipsWhereNobodyIsBound) {
  Bind(1, ChainLevel::kJob);
  EXPECT_EQ(Walk(Chance::kBoth), (Places{{ChainLevel::kJob, 1}}));
}

TEST_F(ChainWalkTest, EndsAtOnceWhenNobodyIsBoundAtAll) { EXPECT_TRUE(Walk(Chance::kBoth).empty()); }

TEST_F(ChainWalkTest, AsksOnlyTheDebuggerAndWhoWantsItBeforeTheProgramsHandler) {
  Bind(3, ChainLevel::kDebugger);
  Bind(4, ChainLevel::kThread);
  Bind(2, ChainLevel::kJob, {.first_chance = true});
  Bind(1, ChainLevel::kJob);
  EXPECT_EQ(Walk(Chance::kFirst), (Places{{ChainLevel::kDebugger, 3}, {ChainLevel::kJob, 2}}));
}

TEST_F(ChainWalkTest, TheSecondChanceIsForThoseWhoDidNotHaveTheFirst) {
  Bind(3, ChainLevel::kDebugger);
  Bind(4, ChainLevel::kThread);
  Bind(2, ChainLevel::kJob, {.first_chance = true});
  const uint64_t asked = bindings_.Find(3, ChainLevel::kDebugger)->id;
  // The job's handler was bound after the first chance, and asks for one that is over.
  ChainWalk walk(thread_, Chance::kSecond);
  walk.Skip({asked});
  EXPECT_EQ(walk.Next(bindings_)->level, ChainLevel::kThread);
  EXPECT_EQ(walk.Next(bindings_)->level, ChainLevel::kJob);
  EXPECT_FALSE(walk.Next(bindings_));
  // Another debugger was not asked.
  ASSERT_TRUE(bindings_.Unbind(3, ChainLevel::kDebugger));
  Bind(3, ChainLevel::kDebugger);
  ChainWalk again(thread_, Chance::kSecond);
  again.Skip({asked});
  EXPECT_EQ(again.Next(bindings_)->level, ChainLevel::kDebugger);
}

TEST_F(ChainWalkTest, LooksHandlersUpAtEachStep) {
  Bind(4, ChainLevel::kThread);
  ChainWalk walk(thread_, Chance::kBoth);
  ASSERT_EQ(walk.Next(bindings_)->level, ChainLevel::kThread);
  // Bound at a later place while the thread waits: used. At an earlier place: not.
  Bind(1, ChainLevel::kJob);
  Bind(3, ChainLevel::kDebugger);
  EXPECT_EQ(walk.Next(bindings_)->task, 1U);
  EXPECT_FALSE(walk.Next(bindings_));
}

TEST_F(ChainWalkTest, DoesNotAskWhoWasUnboundMeanwhile) {
  Bind(4, ChainLevel::kThread);
  Bind(1, ChainLevel::kJob);
  ChainWalk walk(thread_, Chance::kBoth);
  ASSERT_TRUE(walk.Next(bindings_));
  ASSERT_TRUE(bindings_.Unbind(1, ChainLevel::kJob));
  EXPECT_FALSE(walk.Next(bindings_));
}

TEST_F(ChainWalkTest, SlotsTakeOneBindingEach) {
  Bind(3, ChainLevel::kProcess);
  const auto again = bindings_.Bind(3, ChainLevel::kProcess, {.handler = &nobody_});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().zx, ZX_ERR_ALREADY_BOUND);
  Bind(3, ChainLevel::kDebugger);
  const auto nothing = bindings_.Unbind(4, ChainLevel::kThread);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().zx, ZX_ERR_BAD_STATE);
}

TEST_F(ChainWalkTest, TheBindingsOfADeadTaskCostNobodyAnything) {
  Bind(3, ChainLevel::kDebugger);
  Bind(4, ChainLevel::kThread, {.first_chance = true});
  bindings_.EndTask(3);
  bindings_.EndTask(4);
  EXPECT_FALSE(bindings_.any_first_chance());
  EXPECT_FALSE(bindings_.any_debugger());
  EXPECT_EQ(bindings_.Find(3, ChainLevel::kDebugger), nullptr);
}

TEST_F(ChainWalkTest, WhatWasBoundToADeadTaskIsUnboundOnce) {
  Bind(3, ChainLevel::kDebugger);
  Bind(4, ChainLevel::kThread);
  bindings_.EndTask(3);
  bindings_.EndTask(4);
  EXPECT_TRUE(bindings_.Unbind(3, ChainLevel::kDebugger));
  EXPECT_FALSE(bindings_.Unbind(3, ChainLevel::kDebugger));
  bindings_.ForgetTask(4);
  EXPECT_FALSE(bindings_.Unbind(4, ChainLevel::kThread));
}

TEST_F(ChainWalkTest, AHandlerThatIsGoneIsNotUnboundFromADeadTask) {
  Bind(3, ChainLevel::kProcess);
  bindings_.EndTask(3);
  bindings_.ForgetHandler(&nobody_);
  EXPECT_FALSE(bindings_.Unbind(3, ChainLevel::kProcess));
}

TEST_F(ChainWalkTest, AGoneTaskOrHandlerLeavesNoSlotBehind) {
  Bind(3, ChainLevel::kProcess);
  Bind(3, ChainLevel::kDebugger);
  Bind(4, ChainLevel::kThread);
  bindings_.ForgetTask(3);
  EXPECT_EQ(bindings_.Find(3, ChainLevel::kProcess), nullptr);
  EXPECT_EQ(bindings_.Find(3, ChainLevel::kDebugger), nullptr);
  EXPECT_NE(bindings_.Find(4, ChainLevel::kThread), nullptr);
  bindings_.ForgetHandler(&nobody_);
  EXPECT_EQ(bindings_.Find(4, ChainLevel::kThread), nullptr);
}

}  // namespace
}  // namespace zxctl
