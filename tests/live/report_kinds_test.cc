// What a report says of each kind of crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "live/report_of.h"
#include "support/crash_capture.h"
#include "support/crash_expect.h"

namespace zxctl::test {
namespace {

using report::Access;
using report::Report;
using report::Trust;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kSource = ZX_TEST_CRASH_SOURCE;

const std::vector<std::string> kChain = {"middle", "outer", "main"};

TEST(ReportKinds, NullStoreWithOffset) {
  const Report report = ReportOf("null_write");
  EXPECT_EQ(report.exception.type, ExceptionType::kFatalPageFault);
  EXPECT_EQ(report.exception.signal_name, "SIGSEGV");
  EXPECT_EQ(report.exception.code_name, "SEGV_MAPERR");
  EXPECT_EQ(report.exception.address, 0x10u);
  EXPECT_EQ(report.exception.access, Access::kWrite);
  EXPECT_EQ(report.exception.address_meaning, "null plus 0x10");
  EXPECT_THAT(report.exception.explanation, AllOf(HasSubstr("wrote 8 bytes to 0x10: "), HasSubstr(" is 0")));
  EXPECT_TRUE(InOrder(report.thread, {"null_write", "middle", "outer", "main"}))
      << ::testing::PrintToString(Functions(report.thread));
}

TEST(ReportKinds, EveryFrameHasItsLineModuleAndBuildId) {
  const Report report = ReportOf("null_write");
  for (const char* name : {"null_write", "middle", "outer", "main"}) {
    const report::Frame* frame = FindFrame(report.thread, name);
    ASSERT_NE(frame, nullptr) << name;
    EXPECT_EQ(frame->line, MarkedLine(kSource, name));
    EXPECT_THAT(frame->file, HasSubstr("target_fault.c"));
    EXPECT_THAT(frame->module, HasSubstr("target_fault"));
    EXPECT_THAT(frame->build_id, Not(IsEmpty()));
  }
  EXPECT_EQ(report.thread.frames.front().trust, Trust::kContext);
  EXPECT_EQ(report.thread.frames[1].trust, Trust::kCfi);
}

TEST(ReportKinds, SourceDisassemblyAndRegistersOfTheFault) {
  const Report report = ReportOf("null_write");
  ASSERT_TRUE(report.source.has_value());
  EXPECT_EQ(report.source->line, MarkedLine(kSource, "null_write"));
  const auto faulting = std::find_if(report.disassembly.begin(), report.disassembly.end(),
                                     [](const auto& instruction) { return instruction.faulting; });
  ASSERT_NE(faulting, report.disassembly.end());
  EXPECT_EQ(faulting->address, report.thread.frames.front().pc);
  EXPECT_THAT(report.exception.explanation, HasSubstr(faulting->text));
  EXPECT_EQ(report.thread.registers.size(), arch::kNamedRegisterCount);
  EXPECT_FALSE(report.stack.has_value());
  EXPECT_TRUE(report.environment.empty());
}

TEST(ReportKinds, WithMemoryShowsStackAndEnvironment) {
  const Report report = ReportOf("null_write", {.reporter_args = {"--format=json", "--with-memory"}});
  ASSERT_TRUE(report.stack.has_value());
  EXPECT_TRUE(report.stack->bytes.front().has_value());
  EXPECT_FALSE(report.environment.empty());
}

TEST(ReportKinds, NullLoad) {
  const Report report = ReportOf("null_read");
  EXPECT_EQ(report.exception.access, Access::kRead);
  EXPECT_EQ(report.exception.address_meaning, "null");
}

TEST(ReportKinds, JumpToNullKeepsTheCaller) {
  const Report report = ReportOf("jump_null");
  EXPECT_EQ(report.exception.access, Access::kExecute);
  EXPECT_THAT(report.exception.explanation, HasSubstr("went to a null function pointer"));
  EXPECT_EQ(report.thread.frames.front().pc, 0u);
  EXPECT_EQ(report.thread.frames.front().module, "");
  ASSERT_GT(report.thread.frames.size(), 1u);
  EXPECT_EQ(report.thread.frames[1].function, "jump_null");
  EXPECT_EQ(report.thread.frames[1].line, MarkedLine(kSource, "jump_null"));
  EXPECT_TRUE(InOrder(report.thread, kChain));
}

TEST(ReportKinds, CallThroughBadPointer) {
  const Report report = ReportOf("call_bad");
  EXPECT_EQ(report.exception.address, 0x12345678u);
  EXPECT_EQ(report.exception.access, Access::kExecute);
  EXPECT_TRUE(InOrder(report.thread, {"call_bad", "middle", "outer", "main"}));
}

TEST(ReportKinds, StackOverflowOfTheMainThread) {
  const Report report = ReportOf("overflow");
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("stack overflow"));
  EXPECT_THAT(report.exception.explanation, HasSubstr("the stack is full"));
  EXPECT_GT(report.thread.frames_left_out, 1000u);
  EXPECT_FALSE(report.thread.frames_truncated);
  EXPECT_TRUE(InOrder(report.thread, {"recurse", "overflow", "middle", "outer", "main"}));
}

TEST(ReportKinds, StackOverflowOfAThread) {
  const Report report = ReportOf("overflow_in_thread");
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("guard page of thread"));
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("stack overflow"));
  EXPECT_NE(report.thread.tid, report.process.pid);
  EXPECT_TRUE(InOrder(report.thread, {"recurse", "overflow_thread"}));
  ASSERT_EQ(report.threads.size(), 1u);
  EXPECT_TRUE(InOrder(report.threads.front(), {"overflow_in_thread", "middle", "outer", "main"}));
}

TEST(ReportKinds, SmashedStackStillShowsItsCallers) {
  const Report report = ReportOf("smash");
  const report::Frame* main_frame = FindFrame(report.thread, "main");
  ASSERT_NE(main_frame, nullptr) << ::testing::PrintToString(Functions(report.thread));
  EXPECT_EQ(main_frame->trust, Trust::kScan);
}

TEST(ReportKinds, Breakpoint) { EXPECT_EQ(ReportOf("breakpoint").exception.type, ExceptionType::kSwBreakpoint); }

TEST(ReportKinds, BreakpointIsShownAtItsOwnInstruction) {
  const Report report = ReportOf("breakpoint");
  const report::Frame& frame = report.thread.frames.front();
  EXPECT_EQ(frame.function, "breakpoint");
  EXPECT_EQ(frame.line, MarkedLine(kSource, "breakpoint"));
  const auto faulting = std::find_if(report.disassembly.begin(), report.disassembly.end(),
                                     [](const auto& instruction) { return instruction.faulting; });
  ASSERT_NE(faulting, report.disassembly.end());
  // Also in its compressed form: c.ebreak.
  EXPECT_THAT(faulting->text, ContainsRegex("^(c\\.)?" + std::string(arch::kBreakpointName)));
  EXPECT_EQ(faulting->address + arch::kBreakpointPcAdvance, frame.pc);
  EXPECT_TRUE(InOrder(report.thread, {"breakpoint", "middle", "outer", "main"}));
}

TEST(ReportKinds, AbortNamesItsCaller) {
  const Report report = ReportOf("do_abort");
  EXPECT_THAT(report.exception.explanation, HasSubstr("called abort() in do_abort"));
  EXPECT_TRUE(InOrder(report.thread, {"do_abort", "middle", "outer", "main"}));
}

TEST(ReportKinds, AllocatorsLastWordsAreQuoted) {
  const Report report = ReportOf("bad_free");
  EXPECT_THAT(report.exception.explanation, HasSubstr("\"free(): invalid pointer\""));
  EXPECT_THAT(report.exception.explanation, HasSubstr("in bad_free"));
}

TEST(ReportKinds, UncaughtExceptionHasTypeAndText) {
  const Captured captured = CaptureCrash({Target("target_fault_cxx")});
  ASSERT_TRUE(captured.report.has_value());
  const Report& report = *captured.report;
  EXPECT_THAT(report.exception.explanation, HasSubstr("its type is std::runtime_error"));
  EXPECT_THAT(report.exception.explanation, HasSubstr("\"order -3 cannot be booked\""));
  const report::Frame* frame = FindFrame(report.thread, "shop::Ledger::Book(shop::Order const&)");
  ASSERT_NE(frame, nullptr) << ::testing::PrintToString(Functions(report.thread));
  EXPECT_EQ(frame->line, MarkedLine(ZX_TEST_CRASH_CXX_SOURCE, "throw"));
  EXPECT_EQ(report.threads.size(), 7u);
}

TEST(ReportKinds, WriteToReadOnlyData) {
  const Report report = ReportOf("write_rodata");
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("target_fault+"));
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("which is not writable"));
  EXPECT_TRUE(report.memory_at_fault.has_value());
}

TEST(ReportKinds, ExecutionOfTheHeap) {
  const Report report = ReportOf("run_heap");
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("[heap]"));
  EXPECT_THAT(report.exception.address_meaning, HasSubstr("which is not executable"));
  EXPECT_TRUE(InOrder(report.thread, {"run_heap", "middle", "outer", "main"}));
}

TEST(ReportKinds, AccessPastTheEndOfAFileNamesFileAndSizes) {
  const Report report = ReportOf("past_eof");
  EXPECT_EQ(report.exception.signal_name, "SIGBUS");
  EXPECT_THAT(report.exception.explanation, HasSubstr("is 4096 bytes long, and the access was at offset 8192"));
}

TEST(ReportKinds, CrashInAHandlerShowsBothSides) {
  const Report report = ReportOf("in_handler");
  EXPECT_TRUE(InOrder(report.thread, {"null_write", "handler", "in_handler", "middle", "outer", "main"}))
      << ::testing::PrintToString(Functions(report.thread));
  const bool has_signal_frame = std::any_of(report.thread.frames.begin(), report.thread.frames.end(),
                                            [](const auto& frame) { return frame.trust == Trust::kSignalContext; });
  EXPECT_TRUE(has_signal_frame);
}

TEST(ReportKinds, FaultThatTheHandlerRaisedAgainIsTheFirstOne) {
  const Report report = ReportOf("handled_and_raised");
  EXPECT_EQ(report.exception.address, 0x10u);
  EXPECT_EQ(report.exception.first.signo, SIGSEGV);
  EXPECT_THAT(report.exception.explanation, HasSubstr("handler then raised SIGSEGV again"));
  EXPECT_EQ(report.thread.frames.front().function, "null_write");
}

TEST(ReportKinds, InlinedFunctionsHaveTheirOwnFramesAndLines) {
  const Report report = ReportOf("inlined");
  ASSERT_GE(report.thread.frames.size(), 3u);
  const auto& frames = report.thread.frames;
  const std::vector<std::string> names = {"innermost", "between", "inlined"};
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(frames[i].function, names[i]);
    EXPECT_EQ(frames[i].line, MarkedLine(kSource, names[i]));
    EXPECT_EQ(frames[i].inlined, i < 2);
  }
}

TEST(ReportKinds, FunctionInlinedInALocalLambdaHasItsFrame) {
  const Captured captured = CaptureCrash({Target("target_fault_local")});
  ASSERT_TRUE(captured.report.has_value());
  const auto& frames = captured.report->thread.frames;
  ASSERT_GE(frames.size(), 4u);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"Box::Get() const", "get"},
      {"Shop::Sum(int) const::{lambda(int)#1}::operator()(int) const", "lambda"},
      {"Shop::Sum(int) const", "sum"}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(frames[i].function, expected[i].first);
    EXPECT_EQ(frames[i].line, MarkedLine(ZX_TEST_CRASH_LOCAL_SOURCE, expected[i].second));
    EXPECT_EQ(frames[i].inlined, i == 0);
  }
}

TEST(ReportKinds, JustInTimeCodeIsNamedByItsPerfMap) {
  const Report report = ReportOf("jit");
  EXPECT_EQ(report.thread.frames.front().function, "Script:~compiled");
  EXPECT_EQ(report.thread.frames.front().module, "[jit]");
  EXPECT_TRUE(InOrder(report.thread, {"jit", "middle", "outer", "main"}));
}

TEST(ReportKinds, JustInTimeCodeWithoutNamesIsInAnonymousMemory) {
  const Report report = ReportOf("jit_unnamed");
  EXPECT_EQ(report.thread.frames.front().function, "");
  EXPECT_EQ(report.thread.frames.front().module, "[anonymous r-xp]");
  EXPECT_LT(report.thread.frames.front().module_offset, 4096u);
  EXPECT_TRUE(InOrder(report.thread, {"jit_unnamed", "middle", "outer", "main"}));
}

TEST(ReportKinds, SixtyFourThreadsAllHaveTheirStacks) {
  const Report report = ReportOf("many_threads");
  ASSERT_EQ(report.threads.size(), 64u);
  for (const report::ThreadInfo& thread : report.threads) {
    EXPECT_NE(FindFrame(thread, "wait_forever"), nullptr) << ::testing::PrintToString(Functions(thread));
    EXPECT_THAT(thread.state, HasSubstr("in system call"));
  }
}

TEST(ReportKinds, HangSaysWhereTheThreadWaits) {
  const Report report = ReportOf("sleep_forever", {.hang = true});
  EXPECT_EQ(report.exception.reason, ring::CrashReason::kHang);
  EXPECT_THAT(report.exception.explanation, ContainsRegex("in system call [0-9]+ .(pause|ppoll)"));
  EXPECT_TRUE(InOrder(report.thread, {"sleep_forever", "middle", "outer", "main"}));
}

}  // namespace
}  // namespace zxctl::test
