#include <gtest/gtest.h>

#include "report/elf_symbols.h"

namespace zxctl::report {
namespace {

TEST(IsPlainerName, OfAliasesTheOneThatProgramsUse) {
  EXPECT_TRUE(IsPlainerName("free", "cfree"));
  EXPECT_TRUE(IsPlainerName("raise", "gsignal"));
  EXPECT_TRUE(IsPlainerName("free", "__libc_free"));
  EXPECT_TRUE(IsPlainerName("cfree", "__free"));
  EXPECT_TRUE(IsPlainerName("fwrite", "_IO_fwrite"));
  EXPECT_FALSE(IsPlainerName("cfree", "free"));
}

TEST(IsPlainerName, EqualsAndNothingAreNotPlainer) {
  EXPECT_FALSE(IsPlainerName("free", "free"));
  EXPECT_FALSE(IsPlainerName("", "free"));
  EXPECT_TRUE(IsPlainerName("free", ""));
}

}  // namespace
}  // namespace zxctl::report
