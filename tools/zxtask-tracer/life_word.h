// A word of shared memory that says whether this process lives. When it ends, however it ends, the kernel marks the word and
// wakes one who waits for it: what robust futexes do for their owners.
#pragma once

#include <linux/futex.h>

#include <atomic>
#include <cstdint>

namespace zxctl {

// Made and destroyed in the main thread; one a process, since a thread has one list of such words.
class LifeWord {
 public:
  explicit LifeWord(std::atomic<uint32_t>& word);
  LifeWord(const LifeWord&) = delete;
  LifeWord& operator=(const LifeWord&) = delete;
  // Leaves the mark itself.
  ~LifeWord();

 private:
  std::atomic<uint32_t>& word_;
  robust_list entry_ = {};
  robust_list_head head_ = {};
};

}  // namespace zxctl
