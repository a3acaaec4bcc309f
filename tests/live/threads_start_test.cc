// Threads that are made in a process from outside, and started with chosen registers.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "live/started_program.h"
#include "supervisor/proc_facts.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

uint32_t StateOf(const zx::Thread& thread) {
  zx_info_thread_t info = {};
  EXPECT_EQ(thread.get_info(ZX_INFO_THREAD, &info, sizeof(info)), ZX_OK) << zxl_last_error();
  return info.state;
}

pid_t TidOf(const zx::Thread& thread) {
  int32_t tid = 0;
  EXPECT_EQ(thread.get_pid(&tid), ZX_OK) << zxl_last_error();
  return tid;
}

std::string NameOf(const zx::Thread& thread) {
  char name[ZX_MAX_NAME_LEN] = {};
  EXPECT_EQ(thread.get_property(ZX_PROP_NAME, name, sizeof(name)), ZX_OK);
  return name;
}

bool ThreadExists(pid_t pid, pid_t tid) {
  return access(("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid)).c_str(), F_OK) == 0;
}

void AwaitExit(const zx::Thread& thread) {
  EXPECT_EQ(thread.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK) << zxl_last_error();
}

// ---- making ----

TEST(CreatedThread, IsARealThreadThatRunsNothing) {
  StartedProgram program;
  const zx::Thread thread = program.Create("a name");
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_NEW);
  EXPECT_EQ(SignalsOf(thread), 0U);
  EXPECT_EQ(NameOf(thread), "a name");
  EXPECT_EQ(ReadThreadIds(program.pid()).size(), 2U);
  // Nobody is told of it, and it is in no list.
  zx_koid_t koids[4];
  size_t count = 0;
  ASSERT_EQ(program.process.get_info(ZX_INFO_PROCESS_THREADS, koids, sizeof(koids), &count), ZX_OK);
  EXPECT_EQ(count, 1U);
  program.ExpectEnd();
}

TEST(CreatedThread, GoesWithItsLastHandle) {
  StartedProgram program;
  zx::Thread thread = program.Create();
  const pid_t tid = TidOf(thread);
  EXPECT_TRUE(ThreadExists(program.pid(), tid));
  thread.reset();
  EXPECT_TRUE(WaitUntil([&] { return !ThreadExists(program.pid(), tid); }));
  program.ExpectEnd();
}

TEST(CreatedThread, LeavesItsMakerAsItWas) {
  StartedProgram program;
  // It is in read(), and reads on.
  for (int i = 0; i < 20; ++i) {
    const zx::Thread thread = program.Create();
    EXPECT_EQ(program.Ask().counter, 0);
  }
  program.ExpectEnd();
}

TEST(CreatedThread, IsMadeByAnotherWhenTheLeaderHasEnded) {
  StartedProgram program("headless");
  const zx::Thread thread = program.Create();
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_NEW);
  EXPECT_EQ(thread.start(program.at("entry"), program.Stack(), 6, 7), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 42);
  program.ExpectEnd();
}

TEST(CreatedThread, OfADeadProcessCannotBeStarted) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(program.process.kill(), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(thread.start(program.at("exiter"), program.Stack(), 0, 0), ZX_ERR_BAD_STATE);
}

TEST(CreatedThread, CannotBeMadeInADeadProcess) {
  StartedProgram program;
  ASSERT_EQ(program.process.kill(), ZX_OK);
  AwaitEnd(program.process);
  zx::Thread thread;
  EXPECT_EQ(zx::Thread::create(program.process, "late", 4, 0, &thread), ZX_ERR_BAD_STATE);
  EXPECT_NE(std::string_view(zxl_last_error()).find("dead"), std::string_view::npos) << zxl_last_error();
}

TEST(CreatedThread, DoesNotKeepItsProcessAlive) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  program.ExpectEnd();
  AwaitEnd(program.process);
}

// ---- who makes them ----

// One thread, in an exception: it makes the call, and is in the same exception afterwards.
TEST(LentThread, InAnExceptionStaysInIt) {
  const zx::Port port = MakePort();
  const Program program = Spawn({"/bin/sh", "-c", "kill -SEGV $$; exit 1"});
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_GENERAL);
  zxl_exception_info_t before = {};
  zx_thread_state_general_regs_t regs_before = {};
  ASSERT_EQ(program.thread.get_exception(&before), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs_before, sizeof(regs_before)), ZX_OK);
  for (int i = 0; i < 3; ++i) {
    zx::Thread made;
    ASSERT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
    EXPECT_EQ(StateOf(program.thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  }
  zxl_exception_info_t after = {};
  zx_thread_state_general_regs_t regs_after = {};
  ASSERT_EQ(program.thread.get_exception(&after), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs_after, sizeof(regs_after)), ZX_OK);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  EXPECT_EQ(std::memcmp(&regs_before, &regs_after, sizeof(regs_before)), 0);
  // It dies of that signal, sent by itself.
  ASSERT_EQ(program.thread.resume(ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  int32_t status = 0;
  ASSERT_EQ(program.process.get_wait_status(&status), ZX_OK);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
}

// A fault whose handler says "go on" happens again, with all that the kernel said of it.
TEST(LentThread, FaultsAgainWhereItFaulted) {
  const zx::Port port = MakePort();
  StartedProgram program;
  const zx::Thread faulting = program.Create();
  ASSERT_EQ(faulting.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(faulting.start(0x1230, program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
    zxl_exception_info_t info = {};
    ASSERT_EQ(faulting.get_exception(&info), ZX_OK) << zxl_last_error();
    EXPECT_EQ(info.address, 0x1230U);
    EXPECT_EQ(info.code, SEGV_MAPERR);
    const zx::Thread made = program.Create();
    ASSERT_EQ(faulting.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  }
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  EXPECT_EQ(faulting.kill(), ZX_OK);
  AwaitExit(faulting);
  program.ExpectEnd();
}

TEST(LentThread, OfAProcessThatIsStoppedStaysStopped) {
  StartedProgram program;
  program.child().Signal(SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return test::StateOf(program.pid()) == 'T' || test::StateOf(program.pid()) == 't'; }));
  const zx::Thread made = program.Create();
  EXPECT_EQ(StateOf(made), ZX_THREAD_STATE_NEW);
  program.child().Signal(SIGCONT);
  EXPECT_EQ(program.Ask().counter, 0);
  program.ExpectEnd();
}

TEST(LentThread, OfAProcessThatWasNotStartedIsItsFirst) {
  const Program program = Spawn({"/bin/sleep", "0"});
  zx::Thread made;
  ASSERT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
  EXPECT_EQ(StateOf(program.thread), ZX_THREAD_STATE_NEW);
  made.reset();
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 0);
}

// The filter's own answer is for us, not for the program's handler.
class FilteredProgram : public testing::TestWithParam<const char*> {};

TEST_P(FilteredProgram, SaysThatItMayMakeNone) {
  StartedProgram program(GetParam());
  for (int i = 0; i < 3; ++i) {
    zx::Thread made;
    EXPECT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_ERR_ACCESS_DENIED);
    EXPECT_NE(std::string(zxl_last_error()).find("seccomp"), std::string::npos) << zxl_last_error();
    EXPECT_EQ(program.Ask().counter, 0);
  }
  program.ExpectEnd();
}

INSTANTIATE_TEST_SUITE_P(Ways, FilteredProgram, testing::Values("errno", "trap"));

// ---- starting ----

#if defined(__x86_64__)
TEST(StartedThread, HasTheRegistersThatWereAskedForAndNoOthers) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start_regs(program.at("recorder"), 0x1234567812345678, ~0ULL, 0x8000000000000000, 0x7ffffffff123, 77),
            ZX_OK)
      << zxl_last_error();
  AwaitExit(thread);
  const Seen seen = program.Ask().seen;
  EXPECT_EQ(seen.done, 1U);
  EXPECT_EQ(seen.rsp, 0x1234567812345678U);
  EXPECT_EQ(seen.rdi, ~0ULL);
  EXPECT_EQ(seen.rsi, 0x8000000000000000U);
  EXPECT_EQ(seen.fs_base, 0x7ffffffff123U);
  EXPECT_EQ(seen.r15, 77U);
  EXPECT_EQ(seen.rax | seen.rbx | seen.rcx | seen.rdx | seen.rbp | seen.r8 | seen.r9 | seen.r10 | seen.r11 | seen.r12 |
                seen.r13 | seen.r14,
            0U);
  EXPECT_EQ(seen.flags, 0x202U);
  EXPECT_EQ(seen.gs_base, 0U);
  EXPECT_EQ(seen.mxcsr, 0x1f80U);
  EXPECT_EQ(seen.fcw & 0xffff, 0x37fU);
  EXPECT_EQ(seen.vectors[0] | seen.vectors[1], 0U);
  // Every signal that can be blocked is.
  EXPECT_EQ(seen.signal_mask | 1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1), ~0ULL);
  program.ExpectEnd();
}
#endif

TEST(StartedThread, RunsTheExampleOfThePage) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 6, 7), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 42);
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_DEAD);
  program.ExpectEnd();
}

TEST(StartedThread, EndsByTheCallsForIt) {
  StartedProgram program;
  const zx::Thread waker = program.Create();
  ASSERT_EQ(waker.start(program.at("wake"), program.Stack(), 5, 0), ZX_OK) << zxl_last_error();
  AwaitExit(waker);
  EXPECT_EQ(program.Ask().futex, 5);
  // Away with the stack that it runs on.
  const zx::Thread unmapper = program.Create();
  ASSERT_EQ(unmapper.start(program.at("unmap"), program.Stack(8), program.Stack(7), StartedProgram::kStackBytes), ZX_OK);
  AwaitExit(unmapper);
  EXPECT_EQ(program.Ask().counter, 0);
  char byte = 0;
  size_t actual = 0;
  EXPECT_EQ(program.process.read_memory(program.Stack(7), &byte, 1, &actual), ZX_ERR_NO_MEMORY);
  program.ExpectEnd();
}

TEST(StartedThread, RunsBeforeTheCallReturns) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("spinner"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(SignalsOf(thread), ZX_THREAD_RUNNING);
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_RUNNING);
  program.child().Send("s");
  AwaitExit(thread);
  program.ExpectEnd();
}

TEST(StartedThread, LivesOnWithoutHandles) {
  StartedProgram program;
  zx::Thread thread = program.Create();
  const pid_t tid = TidOf(thread);
  ASSERT_EQ(thread.start(program.at("spinner"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  thread.reset();
  EXPECT_EQ(program.Ask().counter, 0);
  EXPECT_TRUE(ThreadExists(program.pid(), tid));
  program.child().Send("s");
  EXPECT_TRUE(WaitUntil([&] { return !ThreadExists(program.pid(), tid); }));
  program.ExpectEnd();
}

TEST(StartedThread, WaitsWhereItIsSuspended) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  zx::SuspendToken token;
  ASSERT_EQ(thread.suspend(&token), ZX_OK) << zxl_last_error();
  EXPECT_EQ(SignalsOf(thread), 0U);
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  EXPECT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  EXPECT_EQ(program.Ask().counter, 0);
  zx_thread_state_general_regs_t regs = {};
  EXPECT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
#if defined(__x86_64__)
  EXPECT_EQ(regs.rip, program.at("entry"));
  EXPECT_EQ(regs.rflags, 0x202U);
#endif
  token.reset();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

TEST(StartedThread, WaitsWhereItsProcessIsSuspended) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  zx::SuspendToken token;
  ASSERT_EQ(program.process.suspend(&token), ZX_OK) << zxl_last_error();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  EXPECT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  token.reset();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

TEST(StartedThread, IsMadeWhileItsMakerIsSuspended) {
  StartedProgram program;
  zx::SuspendToken token;
  ASSERT_EQ(program.process.suspend(&token), ZX_OK) << zxl_last_error();
  const zx::Thread thread = program.Create();
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_NEW);
  token.reset();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

TEST(StartedThread, IsToldOfWithItsRegisters) {
  StartedProgram program;
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 4, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("spinner"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
  zx_thread_state_general_regs_t regs = {};
  ASSERT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
#if defined(__x86_64__)
  EXPECT_EQ(regs.rip, program.at("spinner"));
  EXPECT_EQ(regs.rdi, 3U);
  regs.rip = program.at("entry");
#endif
  ASSERT_EQ(thread.write_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_EXITING);
  EXPECT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_ERR_NOT_SUPPORTED);
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.process.bind_exception_port(zx::Port(), 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

TEST(StartedThread, FaultsWhereItsPcIsBadAndAHandlerMends) {
  StartedProgram program;
  const zx::Port port = MakePort();
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.bind_exception_port(port, 4, 0), ZX_OK) << zxl_last_error();
  // Unmapped, and mapped without the right to execute.
  for (const uint64_t pc : {uint64_t{0}, uint64_t{0x1000}, program.at("stacks")}) {
    const zx::Thread faulting = program.Create();
    ASSERT_EQ(faulting.bind_exception_port(port, pc, 0), ZX_OK) << zxl_last_error();
    ASSERT_EQ(faulting.start(pc, program.Stack(), 1, 1), ZX_OK) << zxl_last_error();
    const zx_port_packet_t packet = NextPacket(port);
    EXPECT_EQ(packet.key, pc);
    EXPECT_EQ(packet.type, ZX_EXCP_FATAL_PAGE_FAULT);
    zx_thread_state_general_regs_t regs = {};
    ASSERT_EQ(faulting.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
#if defined(__x86_64__)
    EXPECT_EQ(regs.rip, pc);
    regs.rip = program.at("entry");
#endif
    ASSERT_EQ(faulting.write_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
    ASSERT_EQ(faulting.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    AwaitExit(faulting);
  }
  EXPECT_EQ(program.Ask().counter, 3);
  program.ExpectEnd();
}

TEST(StartedThread, ThousandOfThem) {
  StartedProgram program;
  std::vector<zx::Thread> threads;
  for (int i = 0; i < 1000; ++i) threads.push_back(program.Create());
  EXPECT_EQ(ReadThreadIds(program.pid()).size(), 1001U);
  for (size_t i = 0; i < threads.size(); ++i) {
    ASSERT_EQ(threads[i].start(program.at("entry"), program.Stack(i), 1, 1), ZX_OK) << i << zxl_last_error();
  }
  for (const zx::Thread& thread : threads) AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 1000);
  program.ExpectEnd();
}

// ---- what is refused ----

TEST(StartRefused, LeavesTheThreadNewAndStartable) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  for (const uint64_t pc : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 47}) {
    EXPECT_EQ(thread.start(pc, program.Stack(), 0, 0), ZX_ERR_INVALID_ARGS);
    EXPECT_NE(std::string(zxl_last_error()).find("pc 0x"), std::string::npos) << zxl_last_error();
    EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_NEW);
    EXPECT_EQ(SignalsOf(thread), 0U);
  }
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

// Of two errors the first counts: the handle's, tp, the process's state, pc, the thread's state.
TEST(StartRefused, ErrorsComeInTheirOrder) {
  constexpr uint64_t kBadPc = ~0ULL;
  constexpr uint64_t kBadTp = uint64_t{1} << 62;
  StartedProgram program;
  const zx::Thread fresh = program.Create();
  const zx::Thread running = program.Create();
  ASSERT_EQ(running.start(program.at("spinner"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  const auto start = [](const zx::Thread& thread, uint64_t pc, uint64_t tp) {
    return thread.start_regs(pc, 0, 0, 0, tp, 0);
  };
  zx_handle_t weak = ZX_HANDLE_INVALID;
  ASSERT_EQ(zx_handle_duplicate(fresh.get(), ZX_RIGHT_WRITE, &weak), ZX_OK);
  EXPECT_EQ(zx_thread_start_regs(ZX_HANDLE_INVALID, kBadPc, 0, 0, 0, kBadTp, 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_thread_start_regs(program.process.get(), kBadPc, 0, 0, 0, kBadTp, 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_thread_start_regs(weak, kBadPc, 0, 0, 0, kBadTp, 0), ZX_ERR_ACCESS_DENIED);
  zx_handle_close(weak);
  EXPECT_EQ(start(running, kBadPc, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(start(running, program.at("exiter"), 0), ZX_ERR_BAD_STATE);
#if defined(__x86_64__)
  EXPECT_EQ(start(running, program.at("exiter"), kBadTp), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(start(fresh, kBadPc, kBadTp), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(std::string(zxl_last_error()).find("tp 0x"), std::string::npos) << zxl_last_error();
#endif
  ASSERT_EQ(program.process.kill(), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(start(fresh, kBadPc, 0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(start(running, kBadPc, 0), ZX_ERR_BAD_STATE);
#if defined(__x86_64__)
  EXPECT_EQ(start(fresh, kBadPc, kBadTp), ZX_ERR_INVALID_ARGS);
#endif
}

TEST(CreateRefused, ErrorsComeInTheirOrder) {
  StartedProgram program;
  const zx::Port port = MakePort();
  zx_handle_t out = ZX_HANDLE_INVALID;
  zx_handle_t weak = ZX_HANDLE_INVALID;
  ASSERT_EQ(zx_handle_duplicate(program.process.get(), ZX_RIGHT_WRITE, &weak), ZX_OK);
  EXPECT_EQ(zx_thread_create(ZX_HANDLE_INVALID, nullptr, 3, 1, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(std::string(zxl_last_error()).find("options"), std::string::npos);
  EXPECT_EQ(zx_thread_create(ZX_HANDLE_INVALID, nullptr, 3, 0, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(std::string(zxl_last_error()).find("name"), std::string::npos);
  EXPECT_EQ(zx_thread_create(ZX_HANDLE_INVALID, "abc", 3, 0, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_thread_create(port.get(), "abc", 3, 0, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_thread_create(weak, "abc", 3, 0, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_thread_create(program.process.get(), "abc", 3, 0, nullptr), ZX_ERR_INVALID_ARGS);
  zx_handle_close(weak);
  const std::string longer(100, 'x');
  ASSERT_EQ(zx_thread_create(program.process.get(), longer.data(), longer.size(), 0, &out), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NameOf(zx::Thread(out)), longer.substr(0, ZX_MAX_NAME_LEN - 1));
  ASSERT_EQ(zx_thread_create(program.process.get(), "", 0, 0, &out), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NameOf(zx::Thread(out)), "");
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
