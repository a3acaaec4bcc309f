// Threads that are made in a process from outside, and started with chosen registers.
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "live/started_program.h"
#include "machine_start.h"
#include "supervisor/proc_facts.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

std::string NameOf(const zx::Thread& thread) {
  char name[ZX_MAX_NAME_LEN] = {};
  EXPECT_EQ(thread.get_property(ZX_PROP_NAME, name, sizeof(name)), ZX_OK);
  return name;
}

bool ThreadExists(pid_t pid, pid_t tid) {
  return access(("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid)).c_str(), F_OK) == 0;
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

// Whoever waits for its end is told.
TEST(CreatedThread, EndsWithItsProcessWhenItIsKilledAndWhenItIsLetGo) {
  enum class Way { kKilled, kProcessKilled, kLetGo };
  for (const Way way : {Way::kKilled, Way::kProcessKilled, Way::kLetGo}) {
    SCOPED_TRACE(static_cast<int>(way));
    StartedProgram program;
    const zx::Thread thread = program.Create();
    const zx_status_t ended = way == Way::kKilled          ? thread.kill()
                              : way == Way::kProcessKilled ? program.process.kill()
                                                           : program.process.detach();
    ASSERT_EQ(ended, ZX_OK) << zxl_last_error();
    AwaitExit(thread);
    EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_DEAD);
    zx::SuspendToken token;
    EXPECT_EQ(thread.suspend(&token), ZX_ERR_BAD_STATE);
    EXPECT_EQ(thread.start(program.at("entry"), program.Stack(), 1, 1), ZX_ERR_BAD_STATE);
    if (way != Way::kProcessKilled) program.ExpectEnd();
  }
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

// ---- starting ----

TEST(StartedThread, HasTheRegistersThatWereAskedForAndNoOthers) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(
      thread.start_regs(program.at("recorder"), 0x1234567812345678, ~0ULL, 0x8000000000000000, 0x7ffffffff123, 77),
      ZX_OK)
      << zxl_last_error();
  AwaitExit(thread);
  const Seen seen = program.Ask().seen;
  EXPECT_EQ(seen.done, 1U);
  EXPECT_EQ(seen.sp, 0x1234567812345678U);
  EXPECT_EQ(seen.arg1, ~0ULL);
  EXPECT_EQ(seen.arg2, 0x8000000000000000U);
  EXPECT_EQ(seen.tp, 0x7ffffffff123U);
  EXPECT_EQ(seen.abi_reg, 77U);
  EXPECT_EQ(seen.others, 0U);
  EXPECT_EQ(seen.flags, kInitialFlags);
  EXPECT_EQ(seen.float_control[0], kInitialFloatControl[0]);
  EXPECT_EQ(seen.float_control[1], kInitialFloatControl[1]);
  EXPECT_EQ(seen.vectors[0] | seen.vectors[1], 0U);
  // Every signal that can be blocked is.
  EXPECT_EQ(seen.signal_mask | 1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1), ~0ULL);
  program.ExpectEnd();
}

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
  ASSERT_EQ(unmapper.start(program.at("unmap"), program.Stack(8), program.Stack(7), StartedProgram::kStackBytes),
            ZX_OK);
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
  EXPECT_EQ(PcOf(regs), program.at("entry"));
  EXPECT_EQ(FlagsOf(regs), kInitialFlags);
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
  EXPECT_EQ(PcOf(regs), program.at("spinner"));
  EXPECT_EQ(FirstArgumentOf(regs), 3U);
  PcOf(regs) = program.at("entry");
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
    EXPECT_EQ(PcOf(regs), pc);
    PcOf(regs) = program.at("entry");
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
  for (const uint64_t pc : kBadPcs) {
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
  if (kChecksTp) {
    EXPECT_EQ(start(running, program.at("exiter"), kBadTp), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(start(fresh, kBadPc, kBadTp), ZX_ERR_INVALID_ARGS);
    EXPECT_NE(std::string(zxl_last_error()).find("tp 0x"), std::string::npos) << zxl_last_error();
  }
  ASSERT_EQ(program.process.kill(), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(start(fresh, kBadPc, 0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(start(running, kBadPc, 0), ZX_ERR_BAD_STATE);
  if (kChecksTp) {
    EXPECT_EQ(start(fresh, kBadPc, kBadTp), ZX_ERR_INVALID_ARGS);
  }
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

// ---- the first thread of a process -----------------------------------------------------------------------------------

TEST(ProcessStart, BeginsWithTheThreadItIsGiven) {
  const zx::Port port = MakePort();
  const Program program = Spawn({"/bin/sleep", "0"});
  ASSERT_EQ(program.process.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
  zx::Thread first;
  ASSERT_EQ(zx::Thread::create(program.process, "first", 5, 0, &first), ZX_OK) << zxl_last_error();
  // It faults at once: the address tells that it was this thread that began, and there.
  ASSERT_EQ(program.process.start(first, 0x1230, 0x4560, {}, 77), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  EXPECT_EQ(SignalsOf(first), ZX_THREAD_RUNNING);
  EXPECT_EQ(SignalsOf(program.thread), 0U);
  zxl_exception_info_t info = {};
  ASSERT_EQ(first.get_exception(&info), ZX_OK) << zxl_last_error();
  EXPECT_EQ(info.address, 0x1230U);
  // The thread that would have been the first can still be started, as any other.
  ASSERT_EQ(program.thread.start(0x1240, 0, 0, 0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  ASSERT_EQ(program.thread.get_exception(&info), ZX_OK) << zxl_last_error();
  EXPECT_EQ(info.address, 0x1240U);
}

TEST(ProcessStart, ErrorsComeInTheirOrder) {
  const Program program = Spawn({"/bin/sleep", "0"});
  const Program other = Spawn({"/bin/sleep", "0"});
  const zx_handle_t process = program.process.get();
  const zx_handle_t thread = program.thread.get();
  constexpr uint64_t kBadPc = ~0ULL;
  const auto weak = [](zx_handle_t handle, zx_rights_t rights) {
    zx_handle_t out = ZX_HANDLE_INVALID;
    EXPECT_EQ(zx_handle_duplicate(handle, rights, &out), ZX_OK);
    return out;
  };
  const auto port = [] { return MakePort().release(); };
  // Whatever becomes of the call, its argument is gone.
  const auto start = [&](zx_handle_t of, zx_handle_t first, uint64_t pc, zx_handle_t arg1) {
    const zx_status_t status = zx_process_start(of, first, pc, 0, arg1, 0);
    EXPECT_EQ(zx_handle_close(arg1), arg1 == ZX_HANDLE_INVALID ? ZX_OK : ZX_ERR_BAD_HANDLE);
    return status;
  };
  const zx_handle_t weak_process = weak(process, ZX_RIGHT_READ);
  const zx_handle_t weak_thread = weak(thread, ZX_RIGHT_READ);
  const zx_handle_t manages_thread = weak(thread, ZX_RIGHT_MANAGE_THREAD);
  EXPECT_EQ(start(ZX_HANDLE_INVALID, ZX_HANDLE_INVALID, kBadPc, port()), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(start(thread, ZX_HANDLE_INVALID, kBadPc, port()), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(start(weak_process, ZX_HANDLE_INVALID, kBadPc, port()), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(start(process, ZX_HANDLE_INVALID, kBadPc, port()), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(start(process, process, kBadPc, port()), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(start(process, weak_thread, kBadPc, port()), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(start(process, manages_thread, kBadPc, port()), ZX_ERR_ACCESS_DENIED) << "it is WRITE that counts";
  EXPECT_EQ(start(process, other.thread.get(), kBadPc, port()), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(start(process, thread, kBadPc, weak(port(), ZX_RIGHT_READ)), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(start(process, thread, kBadPc, port()), ZX_ERR_NOT_SUPPORTED);
  EXPECT_EQ(start(process, thread, kBadPc, ZX_HANDLE_INVALID), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(StateOf(program.thread), ZX_THREAD_STATE_NEW);
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(start(process, thread, kBadPc, ZX_HANDLE_INVALID), ZX_ERR_BAD_STATE) << "the process's state before pc";
  AwaitEnd(program.process);
  EXPECT_EQ(start(process, thread, kBadPc, ZX_HANDLE_INVALID), ZX_ERR_BAD_STATE);
  for (const zx_handle_t handle : {weak_process, weak_thread, manages_thread}) zx_handle_close(handle);
}

// Plain zx_thread_start() may start the first thread, too.
TEST(ProcessStart, IsNotNeededForTheFirstThread) {
  const zx::Port port = MakePort();
  const Program program = Spawn({"/bin/sleep", "0"});
  ASSERT_EQ(program.process.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.start(0x1230, 0, 0, 0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  EXPECT_EQ(program.process.start(), ZX_ERR_BAD_STATE);
}

// The one thread that there is has made another, so that it stands elsewhere than parked threads do.
TEST(ProcessStart, IsToldOfWhenItsThreadWasLentBefore) {
  const zx::Port port = MakePort();
  const Program program = Spawn({"/bin/sleep", "0"});
  zx::Thread made;
  ASSERT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.bind_exception_port(port, 5, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
  EXPECT_EQ(program.thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 0);
}

// The thread that would have been the first runs nothing of the program when nobody can start it any more.
TEST(ProcessStart, LeavesAFirstThreadBehindThatEndsWithItsHandle) {
  const zx::Port port = MakePort();
  Program program = Spawn({"/bin/echo", "must not be run"});
  ASSERT_EQ(program.process.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
  zx::Thread first;
  ASSERT_EQ(zx::Thread::create(program.process, "first", 5, 0, &first), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(first, 0x1230, 0, {}, 0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  const pid_t leader = TidOf(program.thread);
  program.thread.reset();
  EXPECT_TRUE(WaitUntil([&] { return StateOf(leader) == 'Z'; }));
  ASSERT_EQ(first.kill(), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 0);
}

TEST(ProcessStart, OfOneThatHasLentItselfDoesNotHappenWhenTheTracerIsKilled) {
  const Program program = Spawn({"/bin/sleep", "60"});
  zx::Thread made;
  ASSERT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
  const pid_t pid = PidOf(program.process);
  ASSERT_EQ(kill(TracerOf(pid), SIGKILL), 0);
  EXPECT_TRUE(WaitUntil([&] { return StateOf(pid) == 0 || StateOf(pid) == 'Z'; }));
}

#if defined(__x86_64__)
TEST(ProcessStart, TakesThreadPointersThatTheKernelRefuses) {
  const zx::Port port = MakePort();
  const Program program = Spawn({"/bin/sleep", "0"});
  ASSERT_EQ(program.process.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
  constexpr uint64_t kTp = ~uint64_t{0} << 47;
  ASSERT_EQ(program.thread.start_regs(0x1230, 0x10, 6, 7, kTp, 8), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  zx_thread_state_general_regs_t regs = {};
  ASSERT_EQ(program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
  EXPECT_EQ(regs.rip, 0x1230U);
  EXPECT_EQ(regs.rdi, 6U);
  EXPECT_EQ(regs.fs_base, kTp);
}
#endif

}  // namespace
}  // namespace zxctl::test
