#include "report/core_layout.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "support/child_process.h"
#include "support/temp_dir.h"

namespace zxctl::report {
namespace {

using ::testing::HasSubstr;
using zxctl::test::Outcome;
using zxctl::test::RunCommand;
using zxctl::test::TempDir;

constexpr uint64_t kPage = 4096;

std::vector<CoreRegion> Regions(size_t count, uint64_t bytes) {
  std::vector<CoreRegion> regions(count);
  for (size_t i = 0; i < count; ++i) {
    regions[i].map.start = (i + 1) * 2 * bytes;
    regions[i].map.end = regions[i].map.start + bytes;
    regions[i].map.read = true;
    regions[i].file_bytes = bytes;
  }
  return regions;
}

template <typename T>
T At(const CoreLayout& layout, uint64_t offset) {
  T value;
  memcpy(&value, layout.head.data() + offset, sizeof value);
  return value;
}

Outcome Readelf(const CoreLayout& layout, const std::string& flags) {
  const TempDir dir;
  const std::string path =
      dir.Write("core", std::string(reinterpret_cast<const char*>(layout.head.data()), layout.head.size()));
  return RunCommand({"eu-readelf", flags, path});
}

TEST(MakeCoreLayout, PlacesEachRegionOnAPageOfItsOwn) {
  const CoreLayout layout = MakeCoreLayout(Regions(3, kPage), std::vector<std::byte>(100), kPage, arch::Bits::k64);
  ASSERT_EQ(layout.offsets.size(), 3u);
  for (const uint64_t offset : layout.offsets) EXPECT_EQ(offset % kPage, 0u);
  EXPECT_GE(layout.offsets[0], layout.head.size());
  EXPECT_EQ(layout.offsets[1], layout.offsets[0] + kPage);
  EXPECT_EQ(layout.total_bytes, layout.offsets[2] + kPage);
}

TEST(MakeCoreLayout, HeadersPointAtWhatFollows) {
  const CoreLayout layout =
      MakeCoreLayout(Regions(2, kPage), std::vector<std::byte>(100, std::byte{7}), kPage, arch::Bits::k64);
  const auto header = At<Elf64_Ehdr>(layout, 0);
  EXPECT_EQ(header.e_type, ET_CORE);
  EXPECT_EQ(header.e_phnum, 3);
  const auto note = At<Elf64_Phdr>(layout, header.e_phoff);
  EXPECT_EQ(note.p_type, static_cast<Elf64_Word>(PT_NOTE));
  EXPECT_EQ(note.p_filesz, 100u);
  EXPECT_EQ(At<uint8_t>(layout, note.p_offset), 7);
  const auto load = At<Elf64_Phdr>(layout, header.e_phoff + 2 * sizeof(Elf64_Phdr));
  EXPECT_EQ(load.p_offset, layout.offsets[1]);
  EXPECT_EQ(load.p_vaddr, 4 * kPage);
}

TEST(MakeCoreLayout, GoesBeyondFourGigabytes) {
  const CoreLayout layout = MakeCoreLayout(Regions(3, 8ull << 30), {}, kPage, arch::Bits::k64);
  EXPECT_EQ(layout.offsets[2] - layout.offsets[0], 16ull << 30);
  const Outcome outcome = Readelf(layout, "-l");
  EXPECT_THAT(outcome.out, HasSubstr("0x400001000 0x0000000c00000000"));
}

TEST(MakeCoreLayout, CountsMoreSegmentsThanTheHeaderCanHold) {
  const CoreLayout layout = MakeCoreLayout(Regions(70000, kPage), {}, kPage, arch::Bits::k64);
  EXPECT_EQ(At<Elf64_Ehdr>(layout, 0).e_phnum, PN_XNUM);
  const Outcome outcome = Readelf(layout, "-h");
  EXPECT_THAT(outcome.out, HasSubstr("70001"));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(MakeCoreLayout, JustFewEnoughSegmentsNeedNoSection) {
  const CoreLayout layout = MakeCoreLayout(Regions(PN_XNUM - 2, kPage), {}, kPage, arch::Bits::k64);
  EXPECT_EQ(At<Elf64_Ehdr>(layout, 0).e_phnum, PN_XNUM - 1);
  EXPECT_EQ(At<Elf64_Ehdr>(layout, 0).e_shnum, 0);
}

}  // namespace
}  // namespace zxctl::report
