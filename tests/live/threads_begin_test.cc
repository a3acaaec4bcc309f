// What a thread begins with, whatever the thread was like that was borrowed to make it.
#include <sched.h>
#include <signal.h>
#include <zircon/syscalls/exception.h>

#include <cerrno>

#include "live/started_program.h"
#include "machine_start.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

std::vector<uint64_t> WordsOf(const GeneralRegs& regs) {
  std::vector<uint64_t> words(sizeof(regs) / sizeof(uint64_t));
  std::memcpy(words.data(), &regs, sizeof(regs));
  return words;
}

// Its leader has values in its registers that no thread begins with.
class UnusualProgram : public StartedProgram {
 public:
  UnusualProgram() : StartedProgram("unusual") {
    EXPECT_TRUE(WaitUntil([this] { return Ask().counter == 1; }));
  }
  void StopLeader() {
    const zx::Thread leader = LeaderOf(*this);
    child().Send("s");
    AwaitExit(leader);
  }
};

// Those that a debugger sees are those that arrive.
TEST(ThreadStarting, HasTheRegistersThatWereAskedForInEveryHalf) {
  StartedProgram program;
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 4, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  constexpr uint64_t kUserHalf = (uint64_t{1} << 46) + 8;
  constexpr uint64_t kKernelHalf = ~uint64_t{0} << 47;
  for (const uint64_t tp : {uint64_t{0}, kUserHalf, kKernelHalf, ~uint64_t{0}}) {
    SCOPED_TRACE(tp);
    const zx::Thread thread = program.Create();
    const arch::StartRegs given = {
        .pc = program.at("recorder"), .sp = kKernelHalf + 1, .arg1 = 2, .arg2 = 3, .tp = tp, .abi_reg = 5};
    ASSERT_EQ(thread.start_regs(given.pc, given.sp, given.arg1, given.arg2, given.tp, given.abi_reg), ZX_OK)
        << zxl_last_error();
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
    GeneralRegs regs = {};
    ASSERT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
    EXPECT_EQ(WordsOf(regs), WordsOf(InitialRegs(given)));
    ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_EXITING);
    const Seen seen = program.Ask().seen;
    EXPECT_EQ(seen.tp, tp);
    EXPECT_EQ(seen.abi_reg, 5U);
    EXPECT_EQ(seen.flags, kInitialFlags);
    ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    AwaitExit(thread);
  }
  program.ExpectEnd();
}

TEST(StartedThread, HasNothingOfItsMakersFloatingPointAndVectors) {
  UnusualProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("recorder"), program.Stack(), 1, 2), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  const Seen seen = program.Ask().seen;
  EXPECT_EQ(seen.done, 1U);
  EXPECT_EQ(seen.arg2, 2U);
  EXPECT_EQ(seen.others, 0U);
  EXPECT_EQ(seen.float_control[0], kInitialFloatControl[0]);
  EXPECT_EQ(seen.float_control[1], kInitialFloatControl[1]);
  EXPECT_EQ(seen.vectors[0] | seen.vectors[1], 0U);
  // The maker did have them, and has them still.
  program.StopLeader();
  const Seen maker = program.Ask().seen;
  EXPECT_EQ(maker.float_control[0], kUnusualFloatControl[0]);
  EXPECT_EQ(maker.float_control[1], kUnusualFloatControl[1]);
  EXPECT_EQ(maker.vectors[0], ~uint64_t{0});
  program.ExpectEnd();
}

TEST(StartedThread, HasNoSignalStackNoRobustListAndNoRestartableSequences) {
  UnusualProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("surveyor"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  struct {
    stack_t signal_stack;
    uint64_t robust_list;
    int64_t robust_list_result;
    int64_t rseq_result;
  } kept = {.signal_stack = {}, .robust_list = 1, .robust_list_result = 1, .rseq_result = 1};
  size_t actual = 0;
  ASSERT_EQ(program.process.read_memory(program.at("kept"), &kept, sizeof(kept), &actual), ZX_OK) << zxl_last_error();
  EXPECT_EQ(kept.signal_stack.ss_flags, SS_DISABLE);
  EXPECT_EQ(kept.signal_stack.ss_size, 0U);
  EXPECT_EQ(kept.robust_list_result, 0);
  EXPECT_EQ(kept.robust_list, 0U);
  // Who has registered an area cannot register another.
  EXPECT_TRUE(kept.rseq_result == 0 || kept.rseq_result == -ENOSYS) << kept.rseq_result;
  program.StopLeader();
  program.ExpectEnd();
}

TEST(StartedThread, HasItsLeadersCredentialsFiltersAndProcessors) {
  UnusualProgram program;
  // The leader alone may only run there.
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(program.pid(), sizeof(all), &all), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(program.pid(), sizeof(one), &one), 0);
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("spinner"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  const pid_t tid = TidOf(thread);
  for (const char* field : {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
                            "Seccomp", "Cpus_allowed"}) {
    EXPECT_EQ(ProcStatusField(tid, field), ProcStatusField(program.pid(), field)) << field;
  }
  // What the leader has from nobody else.
  EXPECT_EQ(ProcStatusField(tid, "NoNewPrivs"), "1");
  cpu_set_t found;
  ASSERT_EQ(sched_getaffinity(tid, sizeof(found), &found), 0);
  EXPECT_TRUE(CPU_EQUAL(&found, &one));
  // Every signal that can be blocked is, and was not in its maker.
  const uint64_t mask = std::stoull(ProcStatusField(tid, "SigBlk"), nullptr, 16);
  EXPECT_EQ(mask | 1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1), ~0ULL);
  EXPECT_EQ(std::stoull(ProcStatusField(program.pid(), "SigBlk"), nullptr, 16), 0U);
  program.StopLeader();
  AwaitExit(thread);
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
