#include <gtest/gtest.h>

#include <csignal>

#include "report/explain.h"
#include "report/signal_names.h"

namespace zxctl::report {
namespace {

using Code = std::vector<uint8_t>;

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    registers_.cs = 0x33;
    registers_.rip = 0x400100;
    registers_.rsp = 0x7ff000000100;
  }

  FaultExplanation Explain(const SignalRecord& signal, const Code& code) {
    FaultFacts facts;
    facts.signal = signal;
    facts.registers = &registers_;
    facts.pc_executable = true;
    facts.instruction = DecodeFault(code, registers_);
    return ExplainFault(facts, space_);
  }

  arch::Registers registers_{};
  std::vector<Mapping> maps_ = ParseMaps(
      "000000400000-000000401000 r-xp 00000000 fe:01 1 /opt/libfoo.so\n"
      "7ff000000000-7ff000800000 rw-p 00000000 00:00 0 [stack]\n");
  std::vector<StackPointer> threads_ = {{.tid = 10, .sp = 0x7ff000000100}};
  AddressSpace space_{maps_, threads_, 10, 64 << 20};
};

TEST_F(ExplainTest, NullStoreNamesInstructionBytesAndRegister) {
  const auto why = Explain({.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 0x10}, {0x48, 0x89, 0x47, 0x10});
  EXPECT_EQ(why.text, "mov %rax,0x10(%rdi) wrote 8 bytes to 0x10: rdi is 0");
  EXPECT_EQ(why.access, Access::kWrite);
  EXPECT_EQ(why.address, 0x10u);
}

TEST_F(ExplainTest, AccessAcrossAPageIsTheOperandsThatCoversTheAddress) {
  registers_.rdi = 0x600ffc;
  const auto why = Explain({.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 0x601000}, {0x48, 0x8b, 0x07});
  EXPECT_EQ(why.access, Access::kRead);
  EXPECT_NE(why.text.find("read 8 bytes from 0x600ffc"), std::string::npos) << why.text;
}

TEST_F(ExplainTest, GeneralProtectionNamesTheOperandThatIsNotCanonical) {
  registers_.rax = 0xdead000000000000;
  const auto why = Explain({.signo = SIGSEGV, .code = SI_KERNEL}, {0x48, 0x8b, 0x40, 0x08});
  EXPECT_EQ(why.address, 0xdead000000000008u);
  EXPECT_NE(why.text.find("rax + 0x8 is not a canonical address"), std::string::npos) << why.text;
}

TEST_F(ExplainTest, MisalignedVectorStore) {
  registers_.rdi = 0x7ff000000008;
  const auto why = Explain({.signo = SIGSEGV, .code = SI_KERNEL}, {0x0f, 0x29, 0x07});
  EXPECT_NE(why.text.find("needs an address that is a multiple of 16"), std::string::npos) << why.text;
}

TEST_F(ExplainTest, DivisionByZeroAndOverflowDiffer) {
  const SignalRecord signal{.signo = SIGFPE, .code = FPE_INTDIV};
  EXPECT_EQ(Explain(signal, {0xf7, 0xf9}).text, "idiv %ecx divided by zero");
  registers_.rcx = 0xffffffff;
  EXPECT_NE(Explain(signal, {0xf7, 0xf9}).text.find("the quotient does not fit"), std::string::npos);
}

TEST_F(ExplainTest, RefusedSystemCallHasItsNameAndArguments) {
  registers_.rdi = 2;
  const auto why = Explain({.signo = SIGSYS, .code = 1, .syscall = 41}, {0x90});
  EXPECT_EQ(why.text, "a seccomp filter does not allow socket(0x2, 0x0, 0x0, 0x0, 0x0, 0x0)");
}

TEST_F(ExplainTest, SignalThatWasSentNamesItsSender) {
  FaultFacts facts;
  facts.signal = {.signo = SIGSEGV, .code = SI_USER, .pid = 77, .uid = 1000};
  facts.sender = "kill";
  EXPECT_EQ(ExplainFault(facts, space_).text, "SIGSEGV was sent by process 77 (kill) of user 1000");
}

TEST_F(ExplainTest, PrivilegedInstruction) {
  EXPECT_EQ(Explain({.signo = SIGSEGV, .code = SI_KERNEL}, {0xf4}).text, "hlt is allowed to the kernel only");
}

TEST_F(ExplainTest, CallThroughNullNamesTheCall) {
  registers_.rip = 0;
  FaultFacts facts;
  facts.signal = {.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 0};
  facts.registers = &registers_;
  facts.call_text = "call %rax";
  const auto why = ExplainFault(facts, space_);
  EXPECT_EQ(why.access, Access::kExecute);
  EXPECT_EQ(why.text, "call %rax went to a null function pointer");
}

Frame Named(std::string function, std::string module) {
  Frame frame;
  frame.function = std::move(function);
  frame.module = std::move(module);
  return frame;
}

TEST(ExplainAbort, NamesTheProgramsOwnFunctionBelowTheLibrarys) {
  ThreadInfo thread;
  thread.frames = {Named("__pthread_kill", "/lib/libc.so.6"), Named("abort", "/lib/libc.so.6"),
                   Named("malloc_printerr", "/lib/libc.so.6"), Named("_int_free", "/lib/libc.so.6"),
                   Named("release", "/opt/app")};
  AbortFacts facts;
  facts.thread = &thread;
  facts.message = "free(): invalid pointer";
  EXPECT_EQ(ExplainAbort(facts), "the allocator found its memory corrupted in release: \"free(): invalid pointer\"");
}

std::string WhyAborted(std::vector<Frame> frames, std::string message = {}) {
  ThreadInfo thread;
  thread.frames = std::move(frames);
  AbortFacts facts;
  facts.thread = &thread;
  facts.message = std::move(message);
  return ExplainAbort(facts);
}

TEST(ExplainAbort, TheVdsoCallsNothing) {
  EXPECT_EQ(
      WhyAborted({Named("__kernel_vsyscall", "[vdso]"), Named("abort", "/lib32/libc.so.6"), Named("work", "/opt/app")}),
      "the program called abort() in work");
}

TEST(ExplainAbort, LastWordsTellTheReasonWhereTheLibraryHasNoNames) {
  const std::vector<Frame> frames = {Named("abort", "/lib32/libc.so.6"), Named("", "/lib32/libc.so.6"),
                                     Named("free", "/lib32/libc.so.6"), Named("work", "/opt/app")};
  for (const char* message : {"free(): double free detected in tcache 2", "double free or corruption (!prev)",
                              "malloc(): corrupted top size", "corrupted size vs. prev_size"}) {
    EXPECT_EQ(WhyAborted(frames, message),
              "the allocator found its memory corrupted in work: \"" + std::string(message) + "\"");
  }
  EXPECT_EQ(WhyAborted(frames, "of another kind"), "the program called abort() in work: \"of another kind\"");
}

TEST(ExplainAbort, CheckedFunctionOfAHeaderIsNotTheCulprit) {
  Frame checked = Named("strcpy", "/opt/app");
  checked.file = "/usr/include/x86_64-linux-gnu/bits/string_fortified.h";
  checked.inlined = true;
  EXPECT_EQ(WhyAborted({Named("abort", "/lib/libc.so.6"), Named("__GI___fortify_fail", "/lib/libc.so.6"), checked,
                        Named("smash", "/opt/app")}),
            "a checked string or memory function would have written past its buffer in smash");
}

TEST(ExplainAbort, RustPanicNamesTheFirstFunctionOutsideOfRustsCrates) {
  Frame index = Named("index<i32>", "/opt/app");
  index.file = "/rustc/0123456789abcdef/library/core/src/slice/index.rs";
  EXPECT_EQ(WhyAborted({Named("abort", "/lib/libc.so.6"), Named("std::process::abort", "/opt/app"),
                        Named("__rustc::__rust_start_panic", "/opt/app"), Named("__rustc::rust_panic", "/opt/app"),
                        Named("std::panicking::panic_with_hook", "/opt/app"),
                        Named("core::panicking::panic_bounds_check", "/opt/app"), index,
                        Named("<alloc::vec::Vec<T> as core::ops::index::Index<I>>::index", "/opt/app"),
                        Named("shop::price", "/opt/app")}),
            "the Rust program panicked in shop::price");
}

TEST(ExplainAbort, RustProgramThatAbortsItself) {
  Frame internal = Named("std::sys::pal::unix::abort_internal", "/opt/app");
  internal.file = "/rustc/0123456789abcdef/library/std/src/sys/pal/unix/mod.rs";
  EXPECT_EQ(WhyAborted({Named("abort", "/lib/libc.so.6"), internal, Named("std::process::abort", "/opt/app"),
                        Named("shop::main", "/opt/app")}),
            "the program called abort() in shop::main");
}

TEST(ExplainAbort, RustsCratesAreOrdinaryNamespacesElsewhere) {
  EXPECT_EQ(WhyAborted({Named("abort", "/lib/libc.so.6"), Named("core::Engine::Stop()", "/opt/app")}),
            "the program called abort() in core::Engine::Stop()");
}

TEST(ExplainAbort, OrdinaryFramesSayNothing) {
  ThreadInfo thread;
  thread.frames = {Named("work", "/opt/app"), Named("main", "/opt/app")};
  AbortFacts facts;
  facts.thread = &thread;
  EXPECT_EQ(ExplainAbort(facts), "");
}

TEST(SignalNames, CodesDependOnTheSignal) {
  EXPECT_EQ(SignalName(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(NameCode({.signo = SIGSEGV, .code = 1}).name, "SEGV_MAPERR");
  EXPECT_EQ(NameCode({.signo = SIGBUS, .code = 2}).name, "BUS_ADRERR");
  EXPECT_EQ(NameCode({.signo = SIGBUS, .code = SI_USER}).name, "SI_USER");
  EXPECT_EQ(NameCode({.signo = SIGBUS, .code = 99}).name, "");
}

}  // namespace
}  // namespace zxctl::report
