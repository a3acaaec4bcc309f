#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "machine_registers.h"
#include "report/demangle.h"
#include "report/proc_texts.h"

namespace zxctl::report {
namespace {

TEST(SplitWords, KeepsEmptyWords) {
  const std::vector<std::string> expected = {"a", "", "b c"};
  EXPECT_EQ(SplitWords(std::string_view("a\0\0b c\0", 7)), expected);
  EXPECT_TRUE(SplitWords("").empty());
}

TEST(UptimeSeconds, NameWithParenthesesDoesNotShiftTheFields) {
  const std::string stat = "7 (a) b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0";
  EXPECT_DOUBLE_EQ(UptimeSeconds(stat, "60.50 100.00\n"), 10.5);
  EXPECT_DOUBLE_EQ(UptimeSeconds("garbage", "60.50"), 0);
}

TEST(ParseLimits, NameAndValues) {
  const auto limits = ParseLimits(
      "Limit                     Soft Limit           Hard Limit           Units     \n"
      "Max stack size            8388608              unlimited            bytes     \n"
      "Max nice priority         0                    0                    \n");
  EXPECT_EQ(limits.at("Max stack size"), "8388608 unlimited bytes");
  EXPECT_EQ(limits.at("Max nice priority"), "0 0");
  EXPECT_EQ(SoftLimit(limits, "Max stack size"), 8388608u);
  EXPECT_EQ(SoftLimit({{"Max stack size", "unlimited unlimited bytes"}}, "Max stack size"), 0u);
}

TEST(InnermostPid, IsTheLastOne) {
  EXPECT_EQ(InnermostPid("Name:\tx\nNSpid:\t900\t12\t1\n", 900), 1);
  EXPECT_EQ(InnermostPid("Name:\tx\n", 900), 900);
}

TEST(DescribeThreadState, SystemCallByName) {
  arch::Registers registers{};
  test::SetUserCode(registers);
  test::SetCallInside(registers, SYS_epoll_pwait);
  EXPECT_EQ(DescribeThreadState(registers), fmt::format("in system call {} (epoll_pwait)", SYS_epoll_pwait));
  test::SetUserCode(registers);
  EXPECT_EQ(DescribeThreadState(registers), "running in user code");
}

TEST(Demangle, CxxAndBothSchemesOfRust) {
  EXPECT_EQ(Demangle("_ZN4shop3RunEi"), "shop::Run(int)");
  EXPECT_EQ(Demangle("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
  EXPECT_EQ(Demangle("_ZN57_$LT$alloc..vec..Vec$LT$u8$GT$$u20$as$u20$a..inner..T$GT$2go17h0755854d9b7a8d33E"),
            "<alloc::vec::Vec<u8> as a::inner::T>::go");
  EXPECT_EQ(Demangle("_RNvNtCsgEmfK2I1SDS_4core9panicking19assert_failed_inner"),
            "core::panicking::assert_failed_inner");
  EXPECT_EQ(Demangle("_Rnonsense"), "_Rnonsense");
  EXPECT_EQ(Demangle("main"), "main");
  EXPECT_EQ(Demangle("_Znonsense"), "_Znonsense");
}

}  // namespace
}  // namespace zxctl::report
