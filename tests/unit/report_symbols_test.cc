#include <gtest/gtest.h>

#include "report/elf_symbols.h"
#include "report/find_symbol.h"

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

TEST(GoesBy, APathItsFileAndItsFileWithoutTheVersion) {
  const std::string path = "/usr/lib/x86_64-linux-gnu/libc.so.6";
  for (const char* name : {"", "/usr/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6", "libc.so", "libc"}) {
    EXPECT_TRUE(GoesBy(path, name)) << name;
  }
  for (const char* name : {"lib", "libc.so.", "c.so.6", "/lib/libc.so.6", "libc.so.6.1"}) {
    EXPECT_FALSE(GoesBy(path, name)) << name;
  }
  EXPECT_TRUE(GoesBy("/lib/libc-2.31.so", "libc"));
  EXPECT_TRUE(GoesBy("[vdso]", "[vdso]"));
}

TEST(IsNamed, ByTheLinkersNameWithAndWithoutItsVersion) {
  EXPECT_TRUE(IsNamed("main", "main"));
  EXPECT_TRUE(IsNamed("memcpy@@GLIBC_2.14", "memcpy"));
  EXPECT_TRUE(IsNamed("memcpy@GLIBC_2.2.5", "memcpy"));
  EXPECT_FALSE(IsNamed("main", "mai"));
  EXPECT_FALSE(IsNamed("main2", "main"));
  EXPECT_FALSE(IsNamed("", "main"));
}

TEST(IsNamed, ByTheSourceFormWithAndWithoutParameters) {
  EXPECT_TRUE(IsNamed("_ZN2ns1fEi", "ns::f(int)"));
  EXPECT_TRUE(IsNamed("_ZN2ns1fEi", "ns::f"));
  EXPECT_TRUE(IsNamed("_ZN2ns1fEi", "_ZN2ns1fEi"));
  EXPECT_FALSE(IsNamed("_ZN2ns1fEi", "ns::f(long)"));
  EXPECT_FALSE(IsNamed("_ZN2ns1fEi", "f"));
  EXPECT_TRUE(IsNamed("_ZN2nsplERKNS_1AE", "ns::operator+"));
  EXPECT_TRUE(IsNamed("_ZN2ns1AclEi", "ns::A::operator()"));
  EXPECT_TRUE(IsNamed("_ZN2ns1AclEi", "ns::A::operator()(int)"));
  EXPECT_TRUE(IsNamed("_ZN2ns1AD1Ev", "ns::A::~A"));
  EXPECT_TRUE(IsNamed("_ZN12_GLOBAL__N_11fEv", "(anonymous namespace)::f"));
}

}  // namespace
}  // namespace zxctl::report
