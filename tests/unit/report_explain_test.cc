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
