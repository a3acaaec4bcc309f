// What a report says of the kinds of crash that are riscv64's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/report_of.h"
#include "support/crash_expect.h"

namespace zxctl::test {
namespace {

using report::Report;
using ::testing::HasSubstr;

// ebreak, which Linux calls a breakpoint.
TEST(ReportKinds, CompilersTrap) { EXPECT_EQ(ReportOf("trap").exception.type, ExceptionType::kSwBreakpoint); }

TEST(ReportKinds, PrivilegedInstruction) {
  const Report report = ReportOf("privileged");
  EXPECT_EQ(report.exception.type, ExceptionType::kUndefinedInstruction);
  EXPECT_THAT(report.exception.explanation, HasSubstr("is allowed to the kernel only"));
}

}  // namespace
}  // namespace zxctl::test
