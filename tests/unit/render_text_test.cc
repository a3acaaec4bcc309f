#include "report/render_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "report/text_safety.h"
#include "support/temp_dir.h"
#include "unit/report_sample.h"

namespace zxctl::report::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using zxctl::test::SplitLines;

// The text of a report that `change` has changed.
template <typename Change>
std::string TextOf(Change change, size_t columns = kDefaultColumns) {
  Report report = SampleReport();
  change(report);
  return RenderText(report, false, columns);
}

std::string Text() {
  return TextOf([](Report&) {});
}

std::string LineWith(const std::string& text, const std::string& part) {
  for (const std::string& line : SplitLines(text)) {
    if (line.find(part) != std::string::npos) return line;
  }
  return {};
}

TEST(RenderText, EveryLineBearsThePrefix) {
  for (const std::string& line : SplitLines(Text())) EXPECT_TRUE(line.starts_with("zx|")) << line;
  EXPECT_EQ(Text().back(), '\n');
}

TEST(RenderText, StartsWithWhatHappenedToWhom) {
  const std::vector<std::string> lines = SplitLines(Text());
  EXPECT_EQ(
      lines[0],
      "zx| server[4711], thread worker-3[4714] crashed: fatal-page-fault, SIGSEGV SEGV_MAPERR (address not mapped to "
      "object)");
  EXPECT_EQ(lines[1], "zx|   write to 0x10: null plus 0x10");
}

TEST(RenderText, SectionsStandInTheOrderOfTheirUse) {
  const std::string text = Text();
  size_t last = 0;
  for (const char* title :
       {"crashed:", "| why", "| where", "| source", "| code", "| registers", "| memory at the fault", "| thread 4711",
        "| threads 4712 and 4713", "| modules", "| process", "| consequence", "| notes", "| end of the report"}) {
    const size_t at = text.find(title);
    ASSERT_NE(at, std::string::npos) << title;
    EXPECT_GT(at, last) << title;
    last = at;
  }
}

TEST(RenderText, FramesSayFunctionSourceAndModule) {
  EXPECT_EQ(LineWith(Text(), "#0 "),
            "zx|   #0    0x0000555555555189 list_push+0x29 at /src/list.c:42:7  [server+0x5189]");
}

TEST(RenderText, MemoryWithoutAFileHasOnePairOfBrackets) {
  const std::string text = TextOf([](Report& report) { report.thread.frames[0].module = "[anonymous rwxp]"; });
  EXPECT_THAT(text, HasSubstr(" [anonymous rwxp+0x5189]\n"));
  EXPECT_THAT(TextOf([](Report& report) { report.thread.frames[0].module.clear(); }), HasSubstr(" [in no mapping]\n"));
}

TEST(RenderText, AddressesOfThirtyTwoBitProgramsHaveEightDigits) {
  const std::string text = TextOf([](Report& report) {
    report.thread.registers = {{"eax", 0x2a, ""}, {"esp", 0xffa3bce0, ""}, {"eip", 0x565a329f, ""}};
    report.thread.frames[0].pc = 0x565a329f;
    report.disassembly[1].address = 0x565a329f;
    report.modules[0].start = 0x565a2000;
    report.modules[0].end = 0x565a6000;
  });
  EXPECT_THAT(text, HasSubstr("zx|   #0    0x565a329f list_push"));
  EXPECT_THAT(text, HasSubstr("zx|   #1    (inlined)  list_add"));
  EXPECT_THAT(text, HasSubstr("zx|   eax      0x0000002a    esp      0xffa3bce0    eip      0x565a329f\n"));
  EXPECT_THAT(text, HasSubstr("zx|   -> 0x565a329f  48 89"));
  EXPECT_THAT(text, HasSubstr("0x565a2000-0x565a6000 /usr/sbin/server"));
  EXPECT_THAT(text, HasSubstr("zx|   0x00000000 and the 32 bytes"));
}

TEST(RenderText, InlinedFramesAreMarked) {
  EXPECT_EQ(LineWith(Text(), "#1 "), "zx|   #1    (inlined)          list_add at /src/list.h:10");
}

TEST(RenderText, DoubtfulFramesAreMarkedAndExplained) {
  EXPECT_THAT(LineWith(Text(), "#3"), HasSubstr("#3?"));
  EXPECT_THAT(Text(), HasSubstr("? = found without unwind information"));
  const std::string sure = TextOf([](Report& report) { report.thread.frames.pop_back(); });
  EXPECT_THAT(sure, Not(HasSubstr("? = ")));
}

TEST(RenderText, SignalFramesAreAnnounced) {
  const std::string text = TextOf([](Report& report) { report.thread.frames[2].trust = Trust::kSignalContext; });
  EXPECT_THAT(text, ContainsRegex("signal handler called ---\nzx\\|   #2"));
}

TEST(RenderText, ALongSourcePlaceGetsALineOfItsOwnAndStaysWhole) {
  const std::string path = "/" + std::string(300, 'p') + "/file.c";
  const std::string text = TextOf([&](Report& report) { report.thread.frames[0].file = path; });
  EXPECT_THAT(text, HasSubstr("list_push+0x29\nzx|                              at " + path + ":42:7"));
}

TEST(RenderText, AModuleThatIsNotListedKeepsItsPath) {
  const std::string text = TextOf([](Report& report) { report.modules.clear(); });
  EXPECT_THAT(text, HasSubstr("[/usr/sbin/server+0x5189]"));
}

TEST(RenderText, RecursionIsToldOnce) {
  const std::string text = TextOf([](Report& report) {
    report.thread.frames.assign(5000, MakeFrame(0x1234, "deep"));
    report.thread.frames.push_back(MakeFrame(0x99, "main"));
  });
  EXPECT_THAT(text, HasSubstr("this frame again, 4999 more times, up to #4999"));
  EXPECT_THAT(text, HasSubstr("#5000"));
  EXPECT_LT(SplitLines(text).size(), 100u);
}

TEST(RenderText, FramesThatWereLeftOutAreCounted) {
  const std::string text = TextOf([](Report& report) {
    report.thread.frames = {MakeFrame(0x1, "deep"), MakeFrame(0x1, "deep"), MakeFrame(0x2, "main")};
    report.thread.frames_left_out = 90000;
    report.thread.frames_left_out_after = 2;
  });
  EXPECT_THAT(text, HasSubstr("...   90000 more frames of this recursion\nzx|   #90002"));
}

TEST(RenderText, AnIncompleteCoreIsSaidToBeOne) {
  const std::string text = TextOf([](Report& report) { report.core_file += ".incomplete"; });
  EXPECT_THAT(text, HasSubstr("zxctl wrote a core (incomplete:"));
}

TEST(RenderText, TheFaultingSourceLineAndInstructionHaveAnArrow) {
  EXPECT_EQ(LineWith(Text(), "node->next"), "zx|   ->     42 |     node->next = head;");
  EXPECT_EQ(LineWith(Text(), "node->prev"), "zx|          41 |     node->prev = 0;");
  EXPECT_EQ(LineWith(Text(), "0x10(%rdi)\n"), "");
  EXPECT_THAT(Text(), HasSubstr("zx|   -> 0x0000555555555189  48 89 47 10  mov %rax,0x10(%rdi)"));
}

TEST(RenderText, RegistersHaveValuesAndMeanings) {
  EXPECT_THAT(Text(), HasSubstr("rax      0x000000000000002a"));
  EXPECT_THAT(Text(), HasSubstr("zx|   rdi      null"));
}

TEST(RenderText, AWideTerminalHoldsMoreRegistersInALine) {
  const auto lines = [](size_t columns) { return SplitLines(TextOf([](Report&) {}, columns)).size(); };
  EXPECT_LT(lines(140), lines(40));
}

TEST(RenderText, MemoryThatCannotBeReadIsASentence) {
  EXPECT_THAT(Text(), HasSubstr("and the 32 bytes from there cannot be read"));
}

TEST(RenderText, MemoryIsDumpedWithTheFaultingRowMarked) {
  const std::string text = TextOf([](Report& report) {
    report.memory_at_fault->bytes[0] = 0x41;
    report.memory_at_fault->bytes[17] = 0x42;
  });
  EXPECT_THAT(text, HasSubstr("zx|      0x0000000000000000  41 -- "));
  EXPECT_THAT(text, HasSubstr("zx|   -> 0x0000000000000010  -- 42 "));
  EXPECT_THAT(text, HasSubstr("|A               |"));
}

TEST(RenderText, IdenticalThreadsAreToldTogether) {
  EXPECT_THAT(Text(), HasSubstr("threads 4712 and 4713 (worker-1, worker-2): in system call 202 (futex)"));
}

TEST(RenderText, ManyThreadsWithDifferentStacksAreCounted) {
  const std::string text = TextOf([](Report& report) {
    for (int i = 0; i < 1000; ++i) report.threads.push_back(MakeThread(i, "t", {MakeFrame(0x100000u + i, "f")}));
  });
  EXPECT_THAT(text, HasSubstr("938 more threads with 938 other stacks"));
}

TEST(RenderText, TheProcessIsDescribed) {
  EXPECT_THAT(Text(), HasSubstr("server --name 'two words'"));
  EXPECT_THAT(Text(), HasSubstr("pid 4711, parent 4700, user 1000; up 3.25 s; 12.0 MiB resident; 5 threads"));
  EXPECT_THAT(Text(), HasSubstr("limits     stack size 8388608 bytes (hard unlimited)"));
  EXPECT_THAT(Text(), Not(HasSubstr("cpu time")));
}

TEST(RenderText, NotesConsequenceAndCoreAreThere) {
  EXPECT_THAT(Text(), HasSubstr("the process dies of SIGSEGV"));
  EXPECT_THAT(Text(), HasSubstr("/var/cores/core.server.4711.0"));
  EXPECT_THAT(Text(), HasSubstr("- thread 4715 could not be stopped in time"));
  EXPECT_THAT(Text(), HasSubstr("- not shown: environment and stack memory; --with-memory shows them"));
}

TEST(RenderText, AHangIsNoException) {
  const std::string text = TextOf([](Report& report) {
    report.exception = {.reason = ring::CrashReason::kHang, .explanation = "it did not end within 30 s"};
  });
  EXPECT_EQ(SplitLines(text)[0], "zx| server[4711] hangs");
  EXPECT_THAT(text, Not(HasSubstr("general")));
}

TEST(RenderText, AFirstFaultIsSaidToBeOne) {
  const std::string text = TextOf([](Report& report) { report.exception.first = report.exception.signal; });
  EXPECT_THAT(text, HasSubstr("first fault; the program's own handler for it ran"));
}

TEST(RenderText, SentencesWrapAtTheWidthAndWordsStayWhole) {
  const std::string text = TextOf(
      [](Report& report) {
        report = Report{};
        for (int i = 0; i < 40; ++i) report.exception.explanation += "word" + std::to_string(i) + " ";
      },
      60);
  for (const std::string& line : SplitLines(text)) EXPECT_LE(DisplayWidth(line), 60u) << line;
  EXPECT_THAT(text, HasSubstr("word39"));
}

TEST(RenderText, ColourIsOnlyThereWhenWanted) {
  EXPECT_EQ(RenderText(SampleReport(), false).find('\x1b'), std::string::npos);
  EXPECT_NE(RenderText(SampleReport(), true).find("\x1b[1;31m"), std::string::npos);
}

TEST(RenderText, ColourChangesNothingElse) {
  const std::string plain = std::regex_replace(RenderText(SampleReport(), true), std::regex("\x1b\\[[0-9;]*m"), "");
  EXPECT_EQ(plain, RenderText(SampleReport(), false));
}

TEST(RenderText, AnEmptyReportStillSaysThatThereWasACrash) {
  EXPECT_THAT(RenderText(Report{}, false), HasSubstr("?[0] crashed: general"));
}

constexpr char kEvil[] = "\x1b]0;owned\x07\nzx| fake\xff";

TEST(RenderText, NothingOfTheProgramReachesTheTerminalRaw) {
  const std::string text = TextOf([](Report& report) {
    report.process.name = report.process.executable = report.process.working_directory = kEvil;
    report.process.command_line = {kEvil};
    report.process.limits = {{kEvil, kEvil}};
    report.exception.signal_name = report.exception.code_name = report.exception.code_text = kEvil;
    report.exception.address_meaning = report.exception.explanation = report.exception.consequence = kEvil;
    report.thread.name = report.thread.state = kEvil;
    report.thread.frames[0].function = report.thread.frames[0].file = report.thread.frames[0].module = kEvil;
    report.thread.registers = {{kEvil, 1, kEvil}};
    report.threads[0].name = report.threads[0].state = kEvil;
    report.threads[0].frames[0].function = kEvil;
    report.disassembly[0].text = kEvil;
    report.modules[0].path = report.modules[0].build_id = kEvil;
    report.source = SourceExcerpt{kEvil, 1, {{1, kEvil}}};
    report.environment = {{kEvil, kEvil}};
    report.core_file = report.time = kEvil;
    report.notes = {{kEvil}, {kEvil}};
  });
  for (const std::string& line : SplitLines(text)) {
    EXPECT_TRUE(line.starts_with("zx|")) << line;
    EXPECT_FALSE(line.starts_with("zx| fake")) << line;
  }
  EXPECT_EQ(text.find_first_of("\x1b\x07\xff"), std::string::npos);
}

}  // namespace
}  // namespace zxctl::report::test
