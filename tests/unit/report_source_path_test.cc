#include <gtest/gtest.h>

#include "report/source_path.h"

namespace zxctl::report {
namespace {

TEST(SourcePath, RelativeFileIsJoinedWithTheCompilersDirectory) {
  EXPECT_EQ(SourcePath("/project/app", "src/n.c"), "/project/app/src/n.c");
  EXPECT_EQ(SourcePath("/", "n.c"), "/n.c");
}

TEST(SourcePath, EmptyAndDotSegmentsGo) {
  EXPECT_EQ(SourcePath("/project/", "./src/.//n.c"), "/project/src/n.c");
  EXPECT_EQ(SourcePath("/project/.", "n.c"), "/project/n.c");
}

TEST(SourcePath, ParentSegmentsStayForADirectoryMayBeALink) {
  EXPECT_EQ(SourcePath("/project/build", "../src/n.c"), "/project/build/../src/n.c");
}

TEST(SourcePath, AbsoluteFileStaysAsItIs) {
  EXPECT_EQ(SourcePath("/project", "/usr/include/./stdio.h"), "/usr/include/./stdio.h");
}

TEST(SourcePath, NothingIsMadeUp) {
  EXPECT_EQ(SourcePath("", "src/n.c"), "src/n.c");
  EXPECT_EQ(SourcePath(".", "src/n.c"), "src/n.c");
  EXPECT_EQ(SourcePath("/project", ""), "");
}

}  // namespace
}  // namespace zxctl::report
