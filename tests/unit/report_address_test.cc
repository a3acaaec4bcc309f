#include <gtest/gtest.h>

#include "report/classify_address.h"

namespace zxctl::report {
namespace {

constexpr std::string_view kMaps =
    "000000400000-000000401000 r-xp 00000000 fe:01 1      /opt/libfoo.so\n"
    "000000500000-000000521000 rw-p 00000000 00:00 0      [heap]\n"
    "7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n"
    "7f0000001000-7f0000801000 rw-p 00000000 00:00 0 \n"
    "7ff000000000-7ff000800000 rw-p 00000000 00:00 0      [stack]\n";

class AddressTest : public ::testing::Test {
 protected:
  std::vector<Mapping> maps_ = ParseMaps(kMaps);
  std::vector<StackPointer> threads_ = {{.tid = 10, .sp = 0x7ff000000010}, {.tid = 13, .sp = 0x7f0000000ff8}};
  AddressSpace space_{maps_, threads_, 10, 8 << 20};
};

TEST_F(AddressTest, NullAndItsNeighbourhood) {
  EXPECT_EQ(space_.Describe(0, Access::kRead), "null");
  EXPECT_EQ(space_.Describe(0x10, Access::kWrite), "null plus 0x10");
  EXPECT_EQ(space_.Describe(UINT64_MAX - 7, Access::kRead), "null minus 0x8");
}

TEST_F(AddressTest, GuardPageOfAThreadIsStackOverflow) {
  EXPECT_EQ(space_.Describe(0x7f0000000ff0, Access::kWrite), "guard page of thread 13's stack: stack overflow");
  EXPECT_TRUE(space_.IsStackOverflow(0x7f0000000ff0));
}

TEST_F(AddressTest, BelowTheFullMainStackIsStackOverflow) {
  EXPECT_TRUE(space_.IsStackOverflow(0x7feffffffff0));
  EXPECT_NE(space_.Describe(0x7feffffffff0, Access::kWrite).find("limit of 8192 KiB: stack overflow"),
            std::string::npos);
}

TEST_F(AddressTest, BelowAMainStackThatCouldStillGrowIsNone) {
  const AddressSpace roomy(maps_, threads_, 10, 64 << 20);
  EXPECT_FALSE(roomy.IsStackOverflow(0x7feffffffff0));
}

TEST_F(AddressTest, MissingRightIsNamed) {
  EXPECT_EQ(space_.Describe(0x400123, Access::kWrite), "in libfoo.so+0x123 (r-xp), which is not writable");
  EXPECT_EQ(space_.Describe(0x500010, Access::kExecute), "in [heap]+0x10 (rw-p), which is not executable");
  EXPECT_EQ(space_.Describe(0x400123, Access::kUnknown), "in libfoo.so+0x123 (r-xp)");
}

TEST_F(AddressTest, DistanceToTheNearestMapping) {
  EXPECT_EQ(space_.Describe(0x521008, Access::kRead), "not mapped, 0x8 bytes past the end of [heap]");
  EXPECT_EQ(space_.Describe(0x3ffff8, Access::kRead), "not mapped, 0x8 bytes before libfoo.so");
  EXPECT_EQ(space_.Describe(0x600000000000, Access::kRead), "not mapped");
}

TEST_F(AddressTest, ImpossibleAddresses) {
  EXPECT_EQ(space_.Describe(0x4141414141414141, Access::kRead),
            "not a canonical address; it looks like the text \"AAAAAAAA\"");
  EXPECT_EQ(space_.Describe(0xffffffff81000000, Access::kRead), "in the kernel's half of the address space");
}

TEST_F(AddressTest, RegistersSayWhatTheyPointAt) {
  EXPECT_EQ(space_.DescribeValue(0x400123), "libfoo.so+0x123");
  EXPECT_EQ(space_.DescribeValue(0x7f0000001010), "thread 13's stack+0x10");
  EXPECT_EQ(space_.DescribeValue(0x7ff000000010), "the main thread's stack+0x10");
  EXPECT_EQ(space_.DescribeValue(42), "");
}

TEST(DescribePattern, KnowsPoisonAndText) {
  EXPECT_EQ(DescribePattern(0xdeadbeef), "the pattern 0xdeadbeef");
  EXPECT_EQ(DescribePattern(0x6b6b6b6b6b6b6b6b), "the pattern 0x6b repeated (freed memory)");
  EXPECT_EQ(DescribePattern(0x6f6c6c6568), "the text \"hello\"");
  EXPECT_EQ(DescribePattern(0x41), "");
  EXPECT_EQ(DescribePattern(0), "");
}

}  // namespace
}  // namespace zxctl::report
