// Whether this process is the one that it was, or one that was forked from it: descriptors and memory that a fork has copied
// may not be used there.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"

namespace zxctl {

class ForkMark {
 public:
  // From now on a child of this process knows, in whatever way it is forked. More than once does no harm. Any thread.
  [[nodiscard]] Result<void> Set();
  // In a child of the one that has set it, for ever. A few instructions.
  [[nodiscard]] bool IsForked() const {
    const std::atomic<uint32_t>* original = original_.load(std::memory_order_relaxed);
    return original != nullptr && original->load(std::memory_order_relaxed) == 0;
  }

 private:
  // In a page that a forked child finds zeroed. Null until it is set.
  std::atomic<const std::atomic<uint32_t>*> original_ = nullptr;
};

}  // namespace zxctl
