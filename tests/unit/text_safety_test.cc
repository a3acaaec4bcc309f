#include "report/text_safety.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace zxctl::report {
namespace {

TEST(TerminalSafe, KeepsWhatOnlyShows) {
  EXPECT_EQ(TerminalSafe("plain text, naïve, 日本語, 🙂"), "plain text, naïve, 日本語, 🙂");
}

TEST(TerminalSafe, EscapesControlCharacters) {
  EXPECT_EQ(TerminalSafe("a\nb\tc\rd\x1b[31me\x07\x7f"), "a\\nb\\tc\\rd\\e[31me\\x07\\x7f");
  EXPECT_EQ(TerminalSafe(std::string_view("\0", 1)), "\\x00");
}

TEST(TerminalSafe, EscapesEightBitControlCharacters) {
  // U+009B is CSI: some terminals act on it.
  EXPECT_EQ(TerminalSafe("\xC2\x9B"
                         "31m"),
            "\\u{9b}31m");
}

TEST(TerminalSafe, EscapesCharactersThatReorderOrHide) {
  EXPECT_EQ(TerminalSafe("\u202Egnp.exe"), "\\u{202e}gnp.exe");
  EXPECT_EQ(TerminalSafe("a\u200Bb\u2028c\uFEFFd"), "a\\u{200b}b\\u{2028}c\\u{feff}d");
}

TEST(TerminalSafe, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(TerminalSafe("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(TerminalSafe("\xC0\xAF"), "\\xc0\\xaf");           // overlong slash
  EXPECT_EQ(TerminalSafe("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(TerminalSafe("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(TerminalSafe("\xE6\x97"), "\\xe6\\x97");  // cut short
}

RC_GTEST_PROP(TerminalSafe, NeverLetsAControlByteThrough, (const std::string& text)) {
  for (const char c : TerminalSafe(text)) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

RC_GTEST_PROP(TerminalSafe, IsUtf8AndStaysTheSameWhenDoneTwice, (const std::string& text)) {
  const std::string once = TerminalSafe(text);
  RC_ASSERT(IsValidUtf8(once));
  RC_ASSERT(TerminalSafe(once) == once);
}

TEST(ReplaceInvalidUtf8, ReplacesEachBadByte) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xff\xfe"
                               "b"),
            "a\uFFFD\uFFFDb");
  EXPECT_EQ(ReplaceInvalidUtf8("日本"), "日本");
}

RC_GTEST_PROP(ReplaceInvalidUtf8, MakesUtf8OfAnything, (const std::string& text)) {
  const std::string replaced = ReplaceInvalidUtf8(text);
  RC_ASSERT(IsValidUtf8(replaced));
  RC_ASSERT((replaced == text) == IsValidUtf8(text));
}

TEST(FileNameSafe, LeavesNoWayOutOfTheDirectory) {
  EXPECT_EQ(FileNameSafe("../../etc/passwd", 64), "_._.._etc_passwd");
  EXPECT_EQ(FileNameSafe("..", 64), "__");
  EXPECT_EQ(FileNameSafe(".hidden", 64), "_hidden");
  EXPECT_EQ(FileNameSafe("", 64), "unknown");
}

TEST(FileNameSafe, KeepsOrdinaryNamesAndCutsLongOnes) {
  EXPECT_EQ(FileNameSafe("python3.11", 64), "python3.11");
  EXPECT_EQ(FileNameSafe("a name\n", 64), "a_name_");
  EXPECT_EQ(FileNameSafe(std::string(300, 'x'), 64).size(), 64u);
}

TEST(DisplayWidth, CountsCharacters) { EXPECT_EQ(DisplayWidth("naïve"), 5u); }

}  // namespace
}  // namespace zxctl::report
