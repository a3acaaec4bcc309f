// Threads that stand at the same place, told together; frames that repeat, told once. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "report/model.h"

namespace zxctl::report {

// Threads whose stacks have the same frames (for threads without frames: the same state), in the order of the first.
struct ThreadGroup {
  std::vector<const ThreadInfo*> threads;  // never empty
};

[[nodiscard]] std::vector<ThreadGroup> GroupThreads(const std::vector<ThreadInfo>& threads);

// "threads 12, 13 and 62 more (worker)", names as they are.
[[nodiscard]] std::string DescribeGroup(const ThreadGroup& group);

// A run of a backtrace: `length` frames from `first`, which stand there `times` times in a row.
struct FrameRun {
  size_t first = 0;
  size_t length = 1;
  size_t times = 1;
};

// Runs that cover all frames in order. Recursion, also through several functions, becomes one run; what repeats less
// than would save space stays as it is.
[[nodiscard]] std::vector<FrameRun> CollapseRecursion(std::span<const Frame> frames);

}  // namespace zxctl::report
