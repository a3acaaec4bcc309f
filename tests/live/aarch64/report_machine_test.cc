// What a report says of the kinds of crash that are arm64's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/report_of.h"
#include "support/crash_expect.h"

namespace zxctl::test {
namespace {

using report::Access;
using report::Report;
using ::testing::HasSubstr;

TEST(ReportKinds, UnalignedExclusiveAccess) {
  const Report report = ReportOf("misaligned");
  EXPECT_EQ(report.exception.type, ExceptionType::kUnalignedAccess);
  EXPECT_THAT(report.exception.explanation, HasSubstr("multiple of 8"));
}

// brk, which Linux calls a breakpoint.
TEST(ReportKinds, CompilersTrap) {
  const Report report = ReportOf("trap");
  EXPECT_EQ(report.exception.type, ExceptionType::kSwBreakpoint);
  EXPECT_THAT(report.exception.explanation, HasSubstr("__builtin_trap"));
}

TEST(ReportKinds, PrivilegedInstruction) {
  const Report report = ReportOf("privileged");
  EXPECT_EQ(report.exception.type, ExceptionType::kUndefinedInstruction);
  EXPECT_THAT(report.exception.explanation, HasSubstr("is allowed to the kernel only"));
}

// Bits 55 to 48 that differ make the kernel look up an address that cannot be mapped.
TEST(ReportKinds, AddressThatNobodyCanHave) {
  const Report report = ReportOf("noncanonical");
  EXPECT_EQ(report.exception.type, ExceptionType::kFatalPageFault);
  EXPECT_EQ(report.exception.access, Access::kRead);
}

TEST(ReportKinds, ASmashedReturnAddressIsWhereTheThreadWent) {
  const Report report = ReportOf("smash");
  EXPECT_EQ(report.exception.access, Access::kExecute);
}

}  // namespace
}  // namespace zxctl::test
