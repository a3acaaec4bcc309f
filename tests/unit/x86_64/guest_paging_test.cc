// The guest's page tables, in every mode.
#include "guest_paging.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace zxctl::arch {
namespace {

constexpr uint64_t kPaging = uint64_t{1} << 31;
constexpr uint64_t kLargePages = 1 << 4;
constexpr uint64_t kPae = 1 << 5;
constexpr uint64_t kFiveLevels = 1 << 12;
constexpr uint64_t kLong = 1 << 10;

// Words of physical memory; what is not there cannot be read.
class Memory {
 public:
  void Set(uint64_t at, uint64_t value, size_t size = 8) {
    for (size_t i = 0; i < size; ++i) bytes_[at + i] = static_cast<uint8_t>(value >> (8 * i));
  }
  [[nodiscard]] ReadGuestPhysical Reader() const {
    return [this](uint64_t at, void* out, size_t size) {
      for (size_t i = 0; i < size; ++i) {
        const auto found = bytes_.find(at + i);
        if (found == bytes_.end()) return false;
        static_cast<uint8_t*>(out)[i] = found->second;
      }
      return true;
    };
  }

 private:
  std::map<uint64_t, uint8_t> bytes_;
};

TEST(GuestPaging, OffIsTheAddressItself) {
  EXPECT_EQ(TranslateLinear({}, 0x1234'5678, Memory().Reader()), 0x1234'5678U);
  EXPECT_EQ(TranslateLinear({}, 0x1'2345'6789, Memory().Reader()), 0x2345'6789U);
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
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'8020'2abc, memory.Reader()), 0x5abcU);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'8041'2345, memory.Reader()), 0x4021'2345U);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'4123'4567, memory.Reader()), 0x1'4123'4567U);
  EXPECT_FALSE(TranslateLinear(state, 0xffff'ffff'8060'0000, memory.Reader()));
  EXPECT_FALSE(TranslateLinear(state, 0, memory.Reader()));
}

TEST(GuestPaging, FiveLevels) {
  Memory memory;
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kPae | kFiveLevels, .efer = kLong};
  memory.Set(0x1000 + 8 * 1, 0x2003);
  memory.Set(0x2000, 0x3003);
  memory.Set(0x3000, 0x4003);
  memory.Set(0x4000, 0x5003);
  memory.Set(0x5000 + 8 * 3, 0x9003);
  EXPECT_EQ(TranslateLinear(state, (uint64_t{1} << 48) + 0x3010, memory.Reader()), 0x9010U);
}

TEST(GuestPaging, Pae) {
  Memory memory;
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1020, .cr4 = kPae};
  memory.Set(0x1020 + 8 * 3, 0x2001);
  memory.Set(0x2000 + 8 * 4, 0x3003);
  memory.Set(0x3000 + 8 * 5, 0x7'0000'6003);
  memory.Set(0x2000 + 8 * 5, 0x4040'0083);
  EXPECT_EQ(TranslateLinear(state, 0xc080'5123, memory.Reader()), 0x7'0000'6123U);
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'c0a1'2345, memory.Reader()), 0x4041'2345U);
}

TEST(GuestPaging, TwoLevels) {
  Memory memory;
  PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kLargePages};
  memory.Set(0x1000 + 4 * 0x300, 0x2003, 4);
  memory.Set(0x2000 + 4 * 7, 0x8003, 4);
  memory.Set(0x1000 + 4 * 1, 0x0080'2083, 4);  // 4 MiB, and bit 32 in bit 13
  EXPECT_EQ(TranslateLinear(state, 0xc000'7fff, memory.Reader()), 0x8fffU);
  EXPECT_EQ(TranslateLinear(state, 0x0051'2345, memory.Reader()), 0x1'0091'2345U);
  // Without large pages it is a table, which is not there.
  state.cr4 = 0;
  EXPECT_FALSE(TranslateLinear(state, 0x0051'2345, memory.Reader()));
}

// Tables that lead round in circles end all the same.
TEST(GuestPaging, ATableThatIsItsOwn) {
  Memory memory;
  for (uint64_t i = 0; i < 512; ++i) memory.Set(0x1000 + 8 * i, 0x1003);
  const PagingState state = {.cr0 = kPaging, .cr3 = 0x1000, .cr4 = kPae, .efer = kLong};
  EXPECT_EQ(TranslateLinear(state, 0xffff'ffff'ffff'f123, memory.Reader()), 0x1123U);
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
  EXPECT_EQ(ReadLinear(state, 4096 - 5, bytes, sizeof(bytes), memory.Reader()), 5U);
  EXPECT_EQ(bytes[4], 0xab);
  EXPECT_EQ(bytes[5], 0);
}

}  // namespace
}  // namespace zxctl::arch
