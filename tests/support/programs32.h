// Programs of the shorter word length: whether the tests have any on this machine.
#pragma once

#include <string>
#include <vector>

namespace zxctl::test {

// Their names end in "32". Other machines' compilers make none; there is nothing that such a test could run.
inline constexpr bool kHasPrograms32 = ZX_TEST_PROGRAMS32 != 0;

// The program, and its 32-bit twin where there is one.
[[nodiscard]] inline std::vector<std::string> BothWidths(const std::string& program) {
  if (!kHasPrograms32) return {program};
  return {program, program + "32"};
}

#define ZX_NEEDS_PROGRAMS32() \
  if (!::zxctl::test::kHasPrograms32) GTEST_SKIP() << "the compiler for this machine makes no 32-bit programs"

}  // namespace zxctl::test
