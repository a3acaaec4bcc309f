#include <gtest/gtest.h>

#include "report/maps.h"
#include "report/modules.h"

namespace zxctl::report {
namespace {

constexpr std::string_view kMaps =
    "55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234                       /usr/bin/thing\n"
    "55d0c0001000-55d0c0002000 r-xp 00001000 fe:01 1234                       /usr/bin/thing\n"
    "55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f0000000000-7f0000001000 r-xp 00000000 fe:01 77                         /tmp/a b (deleted)\n"
    "7f0000001000-7f0000002000 ---p 00000000 00:00 0 \n"
    "7f0000002000-7f0000003000 rw-s 00000000 00:01 9                          /dev/line\\012break\n";

TEST(ParseMaps, TakesEveryFieldOfALine) {
  const auto maps = ParseMaps(kMaps);
  ASSERT_EQ(maps.size(), 6u);
  EXPECT_EQ(maps[1].start, 0x55d0c0001000u);
  EXPECT_EQ(maps[1].end, 0x55d0c0002000u);
  EXPECT_EQ(maps[1].offset, 0x1000u);
  EXPECT_EQ(maps[1].inode, 1234u);
  EXPECT_EQ(maps[1].device_major, 0xfeu);
  EXPECT_EQ(maps[1].device_minor, 1u);
  EXPECT_EQ(maps[1].Rights(), "r-xp");
  EXPECT_EQ(maps[1].path, "/usr/bin/thing");
}

TEST(ParseMaps, DeletedFileKeepsItsPathWithoutTheMark) {
  const auto maps = ParseMaps(kMaps);
  EXPECT_EQ(maps[3].path, "/tmp/a b");
  EXPECT_TRUE(maps[3].deleted);
}

TEST(ParseMaps, NewlineInAPathIsUnescaped) { EXPECT_EQ(ParseMaps(kMaps)[5].path, "/dev/line\nbreak"); }

TEST(ParseMaps, LinesThatAreNoMappingsAreLeftOut) {
  EXPECT_TRUE(ParseMaps("hello\n55-44 r-xp 0 0:0 0\n\n1000-2000\n").empty());
}

TEST(FindMapping, EndIsOutside) {
  const auto maps = ParseMaps(kMaps);
  EXPECT_EQ(FindMapping(maps, 0x55d0c0001fff), &maps[1]);
  EXPECT_EQ(FindMapping(maps, 0x55d0c0002000), nullptr);
  EXPECT_EQ(MappingBelow(maps, 0x55d0c0002000), &maps[1]);
  EXPECT_EQ(MappingAbove(maps, 0x55d0c0002000), &maps[2]);
  EXPECT_EQ(MappingBelow(maps, 0x1000), nullptr);
  EXPECT_EQ(MappingAbove(maps, 0x7fffffffffff), nullptr);
}

// Memory that is not there.
class NoMemory final : public MemorySource {
 public:
  size_t Read(uint64_t, std::span<std::byte>) override { return 0; }
};

TEST(ModuleTable, MappingsOfOneFileAreOneModule) {
  const auto maps = ParseMaps(kMaps);
  NoMemory memory;
  ModuleTable modules(maps, memory);
  LoadedModule* module = modules.Find(0x55d0c0001234);
  ASSERT_NE(module, nullptr);
  EXPECT_EQ(module->start, 0x55d0c0000000u);
  EXPECT_EQ(module->end, 0x55d0c0002000u);
  EXPECT_FALSE(module->image.has_value());
  EXPECT_EQ(modules.Find(0x55d0c1000000), nullptr);
  EXPECT_EQ(modules.FindByName("thing"), module);
}

}  // namespace
}  // namespace zxctl::report
