// A process that runs out of something.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace zxctl::test {

// A lower limit for its life.
class ScopedLimit {
 public:
  ScopedLimit(__rlimit_resource resource, rlim_t limit) : resource_(resource) {
    EXPECT_EQ(getrlimit(resource_, &before_), 0);
    const rlimit low = {.rlim_cur = limit, .rlim_max = before_.rlim_max};
    EXPECT_EQ(setrlimit(resource_, &low), 0);
  }
  ~ScopedLimit() { setrlimit(resource_, &before_); }
  ScopedLimit(const ScopedLimit&) = delete;
  ScopedLimit& operator=(const ScopedLimit&) = delete;

 private:
  const __rlimit_resource resource_;
  rlimit before_ = {};
};

// UBSan looks at an object through a pipe of its own before it believes its type: without descriptors it believes none.
#if defined(__SANITIZE_ADDRESS__)
#define REQUIRE_WORK_WITHOUT_DESCRIPTORS() GTEST_SKIP() << "a sanitizer needs descriptors of its own here"
#else
#define REQUIRE_WORK_WITHOUT_DESCRIPTORS() static_assert(true)
#endif

}  // namespace zxctl::test
