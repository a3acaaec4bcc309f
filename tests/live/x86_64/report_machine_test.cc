// What a report says of the kinds of crash that are x86-64's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/report_of.h"
#include "support/crash_expect.h"

namespace zxctl::test {
namespace {

using report::Access;
using report::Report;
using ::testing::HasSubstr;

TEST(ReportKinds, NonCanonicalAddress) {
  const Report report = ReportOf("noncanonical");
  EXPECT_EQ(report.exception.type, ExceptionType::kGeneral);
  EXPECT_EQ(report.exception.access, Access::kRead);
  EXPECT_THAT(report.exception.explanation, HasSubstr("is not a canonical address"));
}

TEST(ReportKinds, MisalignedVectorStore) {
  EXPECT_THAT(ReportOf("misaligned").exception.explanation, HasSubstr("multiple of 16"));
}

TEST(ReportKinds, DivisionByZeroAndOverflow) {
  EXPECT_THAT(ReportOf("divide").exception.explanation, HasSubstr("divided by zero"));
  EXPECT_THAT(ReportOf("divide_overflow").exception.explanation, HasSubstr("the quotient does not fit"));
}

TEST(ReportKinds, CompilersTrap) {
  const Report report = ReportOf("trap");
  EXPECT_EQ(report.exception.type, ExceptionType::kUndefinedInstruction);
  EXPECT_THAT(report.exception.explanation, HasSubstr("__builtin_trap"));
}

TEST(ReportKinds, PrivilegedInstruction) {
  EXPECT_THAT(ReportOf("privileged").exception.explanation, HasSubstr("hlt is allowed to the kernel only"));
}

// The return itself faults.
TEST(ReportKinds, ASmashedReturnAddressIsNotCanonical) {
  const Report report = ReportOf("smash");
  EXPECT_EQ(report.exception.type, ExceptionType::kGeneral);
  EXPECT_EQ(report.thread.frames.front().function, "smash");
}

}  // namespace
}  // namespace zxctl::test
