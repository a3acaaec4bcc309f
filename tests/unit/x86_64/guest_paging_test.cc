// The guest's page tables, in every mode.
#include "guest_paging.h"

#include <gtest/gtest.h>

#include "support/guest_pages.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t kPaging = uint64_t{1} << 31;
constexpr uint64_t kLargePages = 1 << 4;
constexpr uint64_t kPae = 1 << 5;
constexpr uint64_t kFiveLevels = 1 << 12;
constexpr uint64_t kLong = 1 << 10;

using Memory = test::GuestPages;

TEST(GuestPaging, OffIsTheAddressItself) {
  Memory memory;
  EXPECT_EQ(TranslateLinear({}, 0x1234'5678, memory), 0x1234'5678U);
  EXPECT_EQ(TranslateLinear({}, 0x1'2345'6789, memory), 0x2345'6789U);
}

TEST(GuestPaging, FourLevelsWithEverySizeOfPage) {
  Memory memory;
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1018, .cr4 = kPae, .efer = kLong};
  memory.Set(0x1000 + 8 * 511, 0x2003);
  memory.Set(0x2000 + 8 * 510, 0x3003);
  memory.Set(0x3000 + 8 * 1, 0x4003);
  memory.Set(0x4000 + 8 * 2, 0x8000'0000'0000'5003);  // with the no-execute bit
  memory.Set(0x3000 + 8 * 2, 0x4020'0083);
  memory.Set(0x2000 + 8 * 509, 0x1'4000'0083);
  memory.Set(0x3000 + 8 * 3, 0);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'8020'2abc, memory), 0x5abcU);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'8041'2345, memory), 0x4021'2345U);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'4123'4567, memory), 0x1'4123'4567U);
  EXPECT_FALSE(TranslateLinear(state, 0xffff'ffff'8060'0000, memory));
  EXPECT_FALSE(TranslateLinear(state, 0, memory));
}

TEST(GuestPaging, FiveLevels) {
  Memory memory;
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kPae | kFiveLevels, .efer = kLong};
  memory.Set(0x1000 + 8 * 1, 0x2003);
  memory.Set(0x2000, 0x3003);
  memory.Set(0x3000, 0x4003);
  memory.Set(0x4000, 0x5003);
  memory.Set(0x5000 + 8 * 3, 0x9003);
  EXPECT_EQ(TranslateLinear(state, (uint64_t{1} << 48) + 0x3010, memory), 0x9010U);
}

TEST(GuestPaging, Pae) {
  Memory memory;
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1020, .cr4 = kPae};
  memory.Set(0x1020 + 8 * 3, 0x2001);
  memory.Set(0x2000 + 8 * 4, 0x3003);
  memory.Set(0x3000 + 8 * 5, 0x7'0000'6003);
  memory.Set(0x2000 + 8 * 5, 0x4040'0083);
  EXPECT_EQ(TranslateLinear(state, 0xc080'5123, memory), 0x7'0000'6123U);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'c0a1'2345, memory), 0x4041'2345U);
}

TEST(GuestPaging, TwoLevels) {
  Memory memory;
  PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kLargePages};
  memory.Set(0x1000 + 4 * 0x300, 0x2003, 4);
  memory.Set(0x2000 + 4 * 7, 0x8003, 4);
  memory.Set(0x1000 + 4 * 1, 0x0080'2083, 4);  // 4 MiB, and bit 32 in bit 13
  EXPECT_EQ(TranslateLinear(state, 0xc000'7fff, memory), 0x8fffU);
  EXPECT_EQ(TranslateLinear(state, 0x0051'2345, memory), 0x1'0091'2345U);
  // Without large pages it is a table, which is not there.
  state.cr4 = 0;
  EXPECT_FALSE(TranslateLinear(state, 0x0051'2345, memory));
}

// Tables that lead round in circles end all the same.
TEST(GuestPaging, ATableThatIsItsOwn) {
  Memory memory;
  for (uint64_t i = 0; i < 512; ++i) memory.Set(0x1000 + 8 * i, 0x1003);
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kPae, .efer = kLong};
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'ffff'f123, memory), 0x1123U);
}

TEST(GuestPaging, ReadsUpToTheFirstPageThatIsMissing) {
  Memory memory;
  for (uint64_t i = 0; i < 4096; ++i) memory.Set(0x5000 + i, 0xab, 1);
  memory.Set(0x1000, 0x2003);
  memory.Set(0x2000, 0x3003);
  memory.Set(0x3000, 0x4003);
  memory.Set(0x4000, 0x5003);
  memory.Set(0x4008, 0);
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kPae, .efer = kLong};
  uint8_t bytes[15] = {};
  EXPECT_EQ(ReadLinear(state, 4096 - 5, bytes, sizeof(bytes), memory), 5U);
  EXPECT_EQ(bytes[4], 0xab);
  EXPECT_EQ(bytes[5], 0);
}

// ---- pages that are known ----

class KnownPages : public ::testing::Test {
 protected:
  KnownPages() {
    memory_.Set(0x1000, 0x2003);
    memory_.Set(0x2000, 0x3003);
    memory_.Set(0x3000, 0x4003);
    memory_.Set(0x4000 + 8 * 7, 0x5003);
    memory_.Set(0x5000, 0x77, 1);
    memory_.Set(0x6000, 0x88, 1);
  }
  bool Find() { return page_.Find(state_, 0x7123, memory_); }

  Memory memory_;
  PagingState state_ = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kPae, .efer = kLong};
  KnownPage page_;
};

TEST_F(KnownPages, AreNotLookedForAgain) {
  ASSERT_TRUE(Find());
  EXPECT_EQ(page_.address(), 0x5000U);
  ASSERT_NE(page_.bytes(), nullptr);
  EXPECT_EQ(*page_.bytes(), 0x77);
  memory_.looked_at = 0;
  ASSERT_TRUE(Find());
  ASSERT_TRUE(page_.Find(state_, 0x7fff, memory_));
  EXPECT_EQ(memory_.looked_at, 0);
  EXPECT_EQ(page_.address(), 0x5000U);
}

TEST_F(KnownPages, OfAChangedEntryOnAnyLevelAreOthers) {
  for (const uint64_t entry : {0x1000, 0x2000, 0x3000, 0x4000 + 8 * 7}) {
    ASSERT_TRUE(Find());
    memory_.Set(entry, 0);
    EXPECT_FALSE(Find()) << std::hex << entry;
    EXPECT_FALSE(Find()) << std::hex << entry;
    memory_.Set(entry, (entry & ~uint64_t{0xfff}) + 0x1003);
    EXPECT_TRUE(Find()) << std::hex << entry;
  }
  memory_.Set(0x4000 + 8 * 7, 0x6003);
  ASSERT_TRUE(Find());
  EXPECT_EQ(page_.address(), 0x6000U);
  EXPECT_EQ(*page_.bytes(), static_cast<char>(0x88));
}

TEST_F(KnownPages, OfAnotherModeAddressOrMemoryAreOthers) {
  ASSERT_TRUE(Find());
  EXPECT_FALSE(page_.Find(state_, 0x8123, memory_));
  ASSERT_TRUE(Find());
  memory_.Set(0x9000, 0);
  const PagingState other = {.cr0 = kPaging, .cr3 = 0x9000, .cr4 = kPae, .efer = kLong};
  EXPECT_FALSE(page_.Find(other, 0x7123, memory_));
  EXPECT_TRUE(page_.Find({}, 0x7123, memory_));
  EXPECT_EQ(page_.address(), 0x7000U);
  EXPECT_EQ(page_.bytes(), nullptr);
  ASSERT_TRUE(Find());
  memory_.Remove(0x5000);
  ASSERT_TRUE(Find());
  EXPECT_EQ(page_.bytes(), nullptr);
  memory_.Remove(0x3000);
  EXPECT_FALSE(Find());
}

}  // namespace
}  // namespace zxctl::arch
