// The guest's page tables: each granule, both halves, blocks and pages.
#include "guest_paging.h"

#include <gtest/gtest.h>

#include "support/guest_pages.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t kOn = 1;

using Memory = test::GuestPages;

constexpr uint64_t Tcr(uint64_t size0, uint64_t granule0, uint64_t size1 = 0, uint64_t granule1 = 0) {
  return size0 | granule0 << 14 | size1 << 16 | granule1 << 30;
}

TEST(GuestPaging, OffIsTheAddressItself) {
  Memory memory;
  EXPECT_EQ(TranslateLinear({}, 0x1'2345'6789, memory), 0x1'2345'6789U);
}

TEST(GuestPaging, FourKibibytesInBothHalves) {
  Memory memory;
  const PagingState state = {
      .sctlr = kOn, .tcr = Tcr(16, 0, 16, 2), .ttbr0 = 0x1000 | 1, .ttbr1 = uint64_t{5} << 48 | 0x2000};
  memory.Set(0x1000 + 8 * 1, 0x3003);
  memory.Set(0x2000 + 8 * 511, 0x3003);
  memory.Set(0x3000 + 8 * 2, 0x4003);
  memory.Set(0x3000 + 8 * 3, 0x40'4000'0701);  // a block of 1 GiB
  memory.Set(0x4000 + 8 * 4, 0x5003);
  memory.Set(0x4000 + 8 * 5, 0x8060'0701);            // of 2 MiB
  memory.Set(0x5000 + 8 * 6, 0x0060'0000'0007'7703);  // with bits above the address
  memory.Set(0x5000 + 8 * 7, 0x7'7701);               // no page
  const uint64_t lower = uint64_t{1} << 39 | uint64_t{2} << 30;
  const uint64_t upper = uint64_t{0xffff} << 48 | uint64_t{511} << 39 | uint64_t{2} << 30;
  for (const uint64_t half : {lower, upper}) {
    EXPECT_EQ(TranslateLinear(state, half | 4 << 21 | 6 << 12 | 0xabc, memory), 0x7'7abcU);
    EXPECT_EQ(TranslateLinear(state, half | 5 << 21 | 0x12345, memory), 0x8061'2345U);
    EXPECT_EQ(TranslateLinear(state, half + (1 << 30) + 0x1234567, memory), 0x40'4123'4567U);
    EXPECT_FALSE(TranslateLinear(state, half | 4 << 21 | 7 << 12, memory));
    EXPECT_FALSE(TranslateLinear(state, half | 4 << 21 | 8 << 12, memory));
  }
  EXPECT_FALSE(TranslateLinear(state, 0, memory));
  // A tag does not count; what is between it and the half's bits does.
  EXPECT_TRUE(TranslateLinear(state, uint64_t{0xa5} << 56 | lower | 5 << 21, memory));
  EXPECT_FALSE(TranslateLinear(state, uint64_t{1} << 48 | lower | 5 << 21, memory));
}

TEST(GuestPaging, FewerLevelsAndASmallFirstTable) {
  Memory memory;
  // 35 bits: the first table is of level 1, has 32 entries, and stands at a multiple of 256.
  const PagingState state = {.sctlr = kOn, .tcr = Tcr(29, 0), .ttbr0 = 0x1140};
  memory.Set(0x1100 + 8 * 31, 0x4000'0701);
  EXPECT_EQ(TranslateLinear(state, (uint64_t{31} << 30) + 0x123, memory), 0x4000'0123U);
}

TEST(GuestPaging, SixteenKibibytes) {
  Memory memory;
  const PagingState state = {.sctlr = kOn, .tcr = Tcr(17, 2, 17, 1), .ttbr0 = 0x4000, .ttbr1 = 0x4000};
  memory.Set(0x4000, 0x8003);
  memory.Set(0x4000 + 8, 0xffff'c701);  // a block of level 1, which there is not
  memory.Set(0x8000 + 8 * 2, 0xc003);
  memory.Set(0x8000 + 8 * 3, 0x1'0600'0701);  // of 32 MiB
  memory.Set(0xc000 + 8 * 2047, 0x7'c703);
  EXPECT_EQ(TranslateLinear(state, uint64_t{2} << 25 | uint64_t{2047} << 14 | 0x3abc, memory), 0x7'fabcU);
  EXPECT_EQ(TranslateLinear(state, uint64_t{3} << 25 | 0x123'4567, memory), 0x1'0723'4567U);
  EXPECT_FALSE(TranslateLinear(state, uint64_t{1} << 36, memory));
}

TEST(GuestPaging, SixtyFourKibibytes) {
  Memory memory;
  const PagingState state = {.sctlr = kOn, .tcr = Tcr(22, 1, 22, 3), .ttbr0 = 0x1'0000, .ttbr1 = 0x1'0000};
  memory.Set(0x1'0000, 0x2'0003);
  memory.Set(0x1'0000 + 8, 0x2000'0701);  // 512 MiB
  memory.Set(0x2'0000 + 8 * 8191, 0x7'0703);
  EXPECT_EQ(TranslateLinear(state, uint64_t{8191} << 16 | 0xabcd, memory), 0x7'abcdU);
  EXPECT_EQ(TranslateLinear(state, (uint64_t{1} << 29) + 0x123'4567, memory), 0x2123'4567U);
}

TEST(GuestPaging, ThatIsSwitchedOffOrCannotBe) {
  Memory memory;
  EXPECT_FALSE(TranslateLinear({.sctlr = kOn, .tcr = Tcr(16, 0) | 1 << 7}, 0x1000, memory));
  EXPECT_FALSE(TranslateLinear({.sctlr = kOn, .tcr = Tcr(16, 3)}, 0x1000, memory));
  // Every size there is a field for: nothing is read that is not there, and it ends.
  for (uint64_t size = 0; size < 64; ++size) {
    for (uint64_t granule = 0; granule < 4; ++granule) {
      const PagingState state = {.sctlr = kOn, .tcr = Tcr(size, granule, size, granule)};
      EXPECT_FALSE(TranslateLinear(state, 0, memory)) << size << " " << granule;
      EXPECT_FALSE(TranslateLinear(state, ~uint64_t{0}, memory)) << size << " " << granule;
    }
  }
}

}  // namespace
}  // namespace zxctl::arch
