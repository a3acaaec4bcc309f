#include "report/core_regions.h"

#include <gtest/gtest.h>

namespace zxctl::report {
namespace {

constexpr char kSmaps[] =
    "555555554000-555555555000 r--p 00000000 fe:01 1234 /usr/bin/a name\n"
    "Size:                  4 kB\n"
    "Rss:                   4 kB\n"
    "Anonymous:             0 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd mr mw me sd \n"
    "555555558000-555555559000 rw-p 00003000 fe:01 1234 /usr/bin/a name\n"
    "Rss:                   4 kB\n"
    "Anonymous:             4 kB\n"
    "Swap:                  8 kB\n"
    "VmFlags: rd wr mr mw me ac sd dd \n"
    "7ffff7fc1000-7ffff7fc3000 r-xp 00000000 00:00 0                          [vdso]\n"
    "VmFlags: rd ex mr mw me de sd\n";

CoreRegion Region(bool write, bool shared, uint64_t inode, uint64_t own_bytes) {
  CoreRegion region;
  region.map.start = 0x1000;
  region.map.end = 0x5000;
  region.map.read = true;
  region.map.write = write;
  region.map.shared = shared;
  region.map.inode = inode;
  region.map.path = inode != 0 ? "/file" : "";
  region.detailed = true;
  region.own_bytes = own_bytes;
  return region;
}

CoreRegion PrivateFile(bool write, uint64_t own_bytes) { return Region(write, false, 7, own_bytes); }
CoreRegion PrivateAnonymous(uint64_t own_bytes) { return Region(true, false, 0, own_bytes); }

TEST(ParseRegions, ReadsMappingsWithTheirDetails) {
  const std::vector<CoreRegion> regions = ParseRegions(kSmaps);
  ASSERT_EQ(regions.size(), 3u);
  EXPECT_EQ(regions[0].map.path, "/usr/bin/a name");
  EXPECT_EQ(regions[0].present_bytes, 4096u);
  EXPECT_EQ(regions[0].own_bytes, 0u);
  EXPECT_FALSE(regions[0].excluded);
  EXPECT_EQ(regions[1].own_bytes, 12288u);
  EXPECT_EQ(regions[1].present_bytes, 12288u);
  EXPECT_TRUE(regions[1].excluded);
  EXPECT_EQ(regions[2].map.path, "[vdso]");
  EXPECT_TRUE(regions[2].detailed);
}

TEST(ParseRegions, TakesPlainMapsToo) {
  const std::vector<CoreRegion> regions =
      ParseRegions("1000-2000 rw-p 00000000 00:00 0 \n3000-4000 r--p 00000000 00:00 0 \n");
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_FALSE(regions[0].detailed);
}

TEST(ChooseDump, TakesWhatTheProcessWrote) {
  EXPECT_EQ(ChooseDump(PrivateFile(true, 4096), kDefaultFilter), Dump::kAll);
  EXPECT_EQ(ChooseDump(PrivateAnonymous(4096), kDefaultFilter), Dump::kAll);
  // Relocated and then protected: read-only, but no longer what the file says.
  EXPECT_EQ(ChooseDump(PrivateFile(false, 4096), kDefaultFilter), Dump::kAll);
}

TEST(ChooseDump, TakesOnlyTheHeaderOfAnUnchangedFile) {
  EXPECT_EQ(ChooseDump(PrivateFile(false, 0), kDefaultFilter), Dump::kElfHeader);
  CoreRegion inner = PrivateFile(false, 0);
  inner.map.offset = 0x1000;
  EXPECT_EQ(ChooseDump(inner, kDefaultFilter), Dump::kNothing);
}

TEST(ChooseDump, ObeysTheFilter) {
  EXPECT_EQ(ChooseDump(PrivateAnonymous(4096), 0), Dump::kNothing);
  EXPECT_EQ(ChooseDump(PrivateFile(false, 0), 0), Dump::kNothing);
  EXPECT_EQ(ChooseDump(PrivateFile(false, 0), kFilterFilePrivate), Dump::kAll);
  EXPECT_EQ(ChooseDump(Region(true, true, 7, 0), kDefaultFilter), Dump::kNothing);
  EXPECT_EQ(ChooseDump(Region(true, true, 7, 0), kFilterFileShared), Dump::kAll);
  EXPECT_EQ(ChooseDump(Region(true, true, 0, 0), kDefaultFilter), Dump::kAll);
}

TEST(ChooseDump, SharedMemoryWithoutANameIsAnonymous) {
  CoreRegion region = Region(true, true, 7, 0);
  region.map.deleted = true;
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kAll);
}

TEST(ChooseDump, LeavesOutWhatTheProgramExcluded) {
  CoreRegion region = PrivateAnonymous(4096);
  region.excluded = true;
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kNothing);
}

TEST(ChooseDump, LeavesOutLargeReservesThatWereNeverTouched) {
  CoreRegion region = PrivateAnonymous(0);
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kAll);
  region.map.end = region.map.start + (16ull << 40);
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kNothing);
}

TEST(ChooseDump, TakesTheVdsoAndNoKernelPages) {
  CoreRegion region = Region(false, false, 0, 0);
  region.map.path = "[vdso]";
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kAll);
  region.map.path = "[vvar]";
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kNothing);
  region.map.path = "[vsyscall]";
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kNothing);
}

TEST(ChooseDump, WithoutDetailsTakesAllThatIsWritable) {
  CoreRegion region = PrivateAnonymous(0);
  region.detailed = false;
  EXPECT_EQ(ChooseDump(region, kDefaultFilter), Dump::kAll);
}

}  // namespace
}  // namespace zxctl::report
