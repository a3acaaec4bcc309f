// The rules of resuming, of starts and exits, and of bindings, each with a test of its name.
#include <magenta/syscalls.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "general_registers.h"
#include "live/zx_tasks.h"
#include "support/child_process.h"
#include "support/faults.h"
#include "support/handles.h"
#include "support/supervised.h"

namespace zxctl::test {
namespace {

constexpr uint32_t kTryNext = ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT;

const std::vector<std::string> kSleeper = {"/bin/sleep", "1000"};

std::vector<std::string> Crash(const std::string& way) { return {TargetPath("target_crash"), way}; }

uint32_t StateOf(const zx::Thread& thread) {
  zx_info_thread_t info = {};
  EXPECT_EQ(thread.get_info(ZX_INFO_THREAD, &info, sizeof(info)), ZX_OK) << zxl_last_error();
  return info.state;
}

// A program that has faulted, with a port on its process that was asked.
struct Faulted {
  explicit Faulted(const std::string& way = "null") : program(Spawn(Crash(way))), port(MakePort()) {
    EXPECT_EQ(program.process.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
    EXPECT_EQ(program.process.start(), ZX_OK);
    packet = NextPacket(port);
  }
  Program program;
  zx::Port port;
  zx_port_packet_t packet = {};
};

// ---- resuming --------------------------------------------------------------------------------------------------------

TEST(ResumeWithoutOptions, IsOkHoweverOftenForALivingThread) {
  const Program program = Spawn(kSleeper, ZXL_SPAWN_START);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(program.thread.resume(0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(mx_task_suspend(program.thread.get()), ZX_OK);
  ASSERT_EQ(program.thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(program.thread.resume(0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(SignalsOf(program.thread), ZX_THREAD_RUNNING);
}

TEST(ResumeWithoutOptions, IsBadStateForAThreadThatIsNewDyingOrDead) {
  const Program program = Spawn({"/bin/true"});
  EXPECT_EQ(program.thread.resume(0), ZX_ERR_BAD_STATE);
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
  ASSERT_EQ(program.process.unbind_exception_port(ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(program.thread.resume(0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(mx_task_resume(program.thread.get(), 0), ZX_ERR_BAD_STATE);
}

TEST(ResumeWithoutOptions, LeavesAnExceptionAsItIs) {
  const Faulted faulted;
  EXPECT_EQ(faulted.program.thread.resume(0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(StateOf(faulted.program.thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  EXPECT_EQ(faulted.program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
}

TEST(ResumeFromAnException, TheFirstAnswerWins) {
  const Faulted faulted;
  EXPECT_EQ(faulted.program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  EXPECT_EQ(faulted.program.thread.resume(ZX_RESUME_EXCEPTION), ZX_ERR_BAD_STATE);
  EXPECT_EQ(faulted.program.thread.resume_from_exception(faulted.port, 0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(mx_task_resume(faulted.program.thread.get(), kTryNext), ZX_ERR_BAD_STATE);
  AwaitEnd(faulted.program.process);
  EXPECT_EQ(InfoOf(faulted.program.process).return_code, ZX_TASK_RETCODE_EXCEPTION_KILL);
}

TEST(ResumeFromAnException, TriesTheInstructionAgain) {
  const Faulted faulted;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(faulted.program.thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    const zx_port_packet_t again = NextPacket(faulted.port);
    EXPECT_EQ(again.type, ZX_EXCP_FATAL_PAGE_FAULT);
    EXPECT_EQ(again.key, 5U);
  }
  EXPECT_EQ(faulted.program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(faulted.program.process);
}

// ---- starts and exits ------------------------------------------------------------------------------------------------

// A program with a debugger's port, and its thread that starts or exits.
class Debugged {
 public:
  explicit Debugged(const std::vector<std::string>& argv) : program(Spawn(argv)), port(MakePort()) {
    EXPECT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    EXPECT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  }
  // The thread of the next packet, which has this type.
  zx::Thread Next(uint32_t type) const {
    const zx_port_packet_t packet = NextPacket(port);
    EXPECT_EQ(packet.type, type);
    zx::Thread thread;
    EXPECT_EQ(program.process.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK)
        << zxl_last_error();
    return thread;
  }
  void Pass(uint32_t type) const { EXPECT_EQ(Next(type).resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error(); }

  Program program;
  zx::Port port;
};

TEST(StartsAndExits, EachWaitsForAnAnswer) {
  const Debugged debugged({TargetPath("target_held"), "thread"});
  const zx::Thread first = debugged.Next(ZX_EXCP_THREAD_STARTING);
  EXPECT_EQ(StateOf(first), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  EXPECT_EQ(first.resume(kTryNext), ZX_OK) << "both answers mean: go on";
  const zx::Thread second = debugged.Next(ZX_EXCP_THREAD_STARTING);
  EXPECT_EQ(StateOf(second), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  EXPECT_EQ(second.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  const zx::Thread exits = debugged.Next(ZX_EXCP_THREAD_EXITING);
  EXPECT_EQ(KoidOf(exits.get()), KoidOf(second.get()));
  EXPECT_EQ(StateOf(exits), ZX_THREAD_STATE_DYING);
  EXPECT_EQ(SignalsOf(exits), ZX_THREAD_RUNNING);
  EXPECT_EQ(exits.resume(0), ZX_ERR_BAD_STATE) << "it is dying";
  EXPECT_EQ(exits.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  EXPECT_EQ(exits.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK);
}

TEST(StartsAndExits, RegistersCanBeReadAndWrittenAtAStartAndNotAtAnExit) {
  const Debugged debugged({TargetPath("target_held"), "thread"});
  debugged.Pass(ZX_EXCP_THREAD_STARTING);
  const zx::Thread thread = debugged.Next(ZX_EXCP_THREAD_STARTING);
  zx_thread_state_general_regs_t registers = {};
  EXPECT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK) << zxl_last_error();
  EXPECT_NE(PcOf(registers), 0U);
  EXPECT_NE(SpOf(registers), 0U);
  EXPECT_EQ(thread.write_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK) << zxl_last_error();
  EXPECT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK);
  const zx::Thread exits = debugged.Next(ZX_EXCP_THREAD_EXITING);
  EXPECT_EQ(exits.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_ERR_NOT_SUPPORTED);
  EXPECT_EQ(exits.write_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_ERR_NOT_SUPPORTED);
  EXPECT_EQ(exits.resume(ZX_RESUME_EXCEPTION), ZX_OK);
}

// The kernel drops a SIGKILL then.
TEST(StartsAndExits, TheLastThreadsExitIsOverWhenItIsKilled) {
  enum class Task { kThread, kProcess, kJob };
  for (const Task killed : {Task::kThread, Task::kProcess, Task::kJob}) {
    const zx::Job job = MakeJob();
    const zx::Port port = MakePort();
    const Program program = Spawn({TargetPath("target_end"), "last-thread", "7"}, 0, job);
    EXPECT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    EXPECT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
    EXPECT_EQ(program.thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_EXITING);
    const zx_status_t status = killed == Task::kThread    ? program.thread.kill()
                               : killed == Task::kProcess ? program.process.kill()
                                                          : job.kill();
    EXPECT_EQ(status, ZX_OK) << zxl_last_error();
    AwaitEnd(program.process);
  }
}

TEST(StartsAndExits, OnlyTheNearestJobWithADebuggerIsToldOfAProcess) {
  const zx::Job outer = MakeJob();
  zx::Job middle;
  zx::Job inner;
  ASSERT_EQ(zx::Job::create(outer, 0, &middle), ZX_OK);
  ASSERT_EQ(zx::Job::create(middle, 0, &inner), ZX_OK);
  const zx::Port port = MakePort();
  ASSERT_EQ(outer.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(middle.bind_exception_port(port, 2, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  const Program program = Spawn({"/bin/true"}, 0, inner);
  ASSERT_EQ(program.process.start(), ZX_OK);
  const zx_port_packet_t packet = NextPacket(port);
  EXPECT_EQ(packet.type, ZX_EXCP_PROCESS_STARTING);
  EXPECT_EQ(packet.key, 2U);
  EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  zx_port_packet_t more = {};
  EXPECT_EQ(port.wait(0, &more), ZX_ERR_TIMED_OUT);
}

// ---- bindings --------------------------------------------------------------------------------------------------------

TEST(BindingsOfTasks, ASlotIsTakenOnceAndADebuggersIsAnother) {
  const Program program = Spawn(kSleeper);
  const zx::Job job = MakeJob();
  const zx::Port port = MakePort();
  EXPECT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK);
  EXPECT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_ERR_ALREADY_BOUND);
  EXPECT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  EXPECT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_ALREADY_BOUND);
  EXPECT_EQ(job.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  EXPECT_EQ(job.bind_exception_port(port, 1, 0), ZX_OK);
  EXPECT_EQ(job.bind_exception_port(port, 1, 0), ZX_ERR_ALREADY_BOUND);
  EXPECT_EQ(program.thread.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(program.process.unbind_exception_port(0), ZX_OK);
  EXPECT_EQ(program.process.unbind_exception_port(0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK);
}

TEST(BindingsOfTasks, ADeadTaskIsNotFound) {
  const Program program = Spawn({"/bin/true"}, ZXL_SPAWN_START);
  AwaitEnd(program.process);
  const zx::Port port = MakePort();
  EXPECT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(program.thread.bind_exception_port(port, 1, 0), ZX_ERR_NOT_FOUND);
}

TEST(BindingsOfTasks, AQuietUnbindLeavesTheThreadWaitingForAnybody) {
  const Faulted faulted;
  EXPECT_EQ(faulted.program.process.unbind_exception_port(ZX_EXCEPTION_PORT_UNBIND_QUIETLY), ZX_OK);
  EXPECT_EQ(StateOf(faulted.program.thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  EXPECT_EQ(faulted.program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(faulted.program.process);
}

TEST(BindingsOfTasks, ALoudUnbindSendsTheThreadToTheNextHandler) {
  const Faulted faulted;
  const zx::Port next = MakePort();
  ASSERT_EQ(zx::Job::default_job()->bind_exception_port(next, 8, 0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(faulted.program.process.unbind_exception_port(0), ZX_OK);
  EXPECT_EQ(NextPacket(next).key, 8U);
  EXPECT_EQ(faulted.program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(faulted.program.process);
}

// ---- kills -----------------------------------------------------------------------------------------------------------

TEST(KillOfAnExcepted, BeatsAResumeThatIsOnItsWay) {
  const Faulted faulted;
  ASSERT_EQ(faulted.program.process.kill(), ZX_OK);
  // It may have gone already.
  const zx_status_t resumed = faulted.program.thread.resume(ZX_RESUME_EXCEPTION);
  EXPECT_TRUE(resumed == ZX_OK || resumed == ZX_ERR_BAD_STATE) << resumed;
  AwaitEnd(faulted.program.process);
  EXPECT_EQ(InfoOf(faulted.program.process).return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
}

TEST(KillOfAnExcepted, LeavesNoWaiterBehind) {
  const Faulted faulted;
  ASSERT_EQ(faulted.program.process.kill(), ZX_OK);
  AwaitEnd(faulted.program.process);
  EXPECT_EQ(faulted.program.thread.resume(ZX_RESUME_EXCEPTION), ZX_ERR_BAD_STATE);
  EXPECT_EQ(faulted.program.thread.resume_from_exception(faulted.port, 0), ZX_ERR_BAD_STATE);
  zxl_exception_info_t info = {};
  EXPECT_EQ(faulted.program.thread.get_exception(&info), ZX_ERR_BAD_STATE);
  EXPECT_EQ(faulted.program.process.unbind_exception_port(0), ZX_OK) << "what was bound before its death";
}

// ---- pointers --------------------------------------------------------------------------------------------------------

// A page that nobody may touch.
class Nowhere {
 public:
  Nowhere() : page_(mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Nowhere() { munmap(page_, kBytes); }
  Nowhere(const Nowhere&) = delete;
  Nowhere& operator=(const Nowhere&) = delete;
  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(page_);
  }

 private:
  static constexpr size_t kBytes = 4096;
  void* page_;
};

TEST(TaskPointers, AFaultInASuspendSuspendsNobody) {
  const Nowhere nowhere;
  const Program program = Spawn(kSleeper, ZXL_SPAWN_START);
  EXPECT_TRUE(Faults([&] { zx_task_suspend(program.thread.get(), nowhere.as<zx_handle_t>()); }));
  EXPECT_TRUE(Faults([&] { zx_task_suspend_token(program.process.get(), nowhere.as<zx_handle_t>()); }));
  zx::SuspendToken token;
  ASSERT_EQ(program.thread.suspend(&token), ZX_OK);
  ASSERT_EQ(program.thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  token.reset();
  EXPECT_EQ(program.thread.wait_one(ZX_THREAD_RUNNING, Soon()), ZX_OK) << "one suspend is all there was";
}

TEST(TaskPointers, AFaultInASpawnOrAnAttachMakesNoProcess) {
  const Nowhere nowhere;
  const zx::Job job = MakeJob();
  const char* const argv[] = {"sleep", "1000", nullptr};
  const zxl_spawn_args_t args = {.path = "/bin/sleep", .argv = argv, .envp = nullptr, .stdio = {-1, -1, -1}};
  zx_handle_t process = ZX_HANDLE_INVALID;
  EXPECT_TRUE(Faults([&] { zxl_process_spawn(job.get(), &args, nowhere.as<zx_handle_t>(), nullptr); }));
  EXPECT_TRUE(Faults([&] { zxl_process_spawn(job.get(), &args, &process, nowhere.as<zx_handle_t>()); }));
  ChildProcess child({"/bin/cat"}, {.keep_stdin_open = true});
  EXPECT_TRUE(Faults([&] { zxl_process_attach(job.get(), child.pid(), 0, nowhere.as<zx_handle_t>()); }));
  size_t avail = 9;
  EXPECT_EQ(job.get_info(ZX_INFO_JOB_PROCESSES, nullptr, 0, nullptr, &avail), ZX_OK);
  EXPECT_EQ(avail, 0U);
  child.CloseStdin();
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(TaskPointers, AFaultInARegisterWriteWritesNothing) {
  const Nowhere nowhere;
  const Faulted faulted;
  zx_thread_state_general_regs_t before = {};
  zx_thread_state_general_regs_t after = {};
  ASSERT_EQ(faulted.program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &before, sizeof(before)), ZX_OK);
  EXPECT_TRUE(Faults([&] {
    zx_thread_write_state(faulted.program.thread.get(), ZX_THREAD_STATE_GENERAL_REGS, nowhere.as<void>(),
                          sizeof(before));
  }));
  EXPECT_TRUE(Faults([&] {
    zx_thread_read_state(faulted.program.thread.get(), ZX_THREAD_STATE_GENERAL_REGS, nowhere.as<void>(),
                         sizeof(before));
  }));
  EXPECT_TRUE(
      Faults([&] { zxl_thread_get_exception(faulted.program.thread.get(), nowhere.as<zxl_exception_info_t>()); }));
  ASSERT_EQ(faulted.program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &after, sizeof(after)), ZX_OK);
  EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0);
}

TEST(TaskPointers, BadOnesAreInvalidArgs) {
  const Program program = Spawn(kSleeper);
  auto* const odd = reinterpret_cast<int32_t*>(0x1001);
  auto* const kernel = reinterpret_cast<int32_t*>(0xffff'8000'0000'0000);
  for (int32_t* const bad : {static_cast<int32_t*>(nullptr), odd, kernel}) {
    auto* const handle = reinterpret_cast<zx_handle_t*>(bad);
    EXPECT_EQ(zxl_task_get_pid(program.process.get(), bad), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zxl_process_get_wait_status(program.process.get(), bad), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_task_suspend(program.thread.get(), handle), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zxl_process_attach(zx_job_default(), getppid(), 0, handle), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zxl_thread_get_exception(program.thread.get(), reinterpret_cast<zxl_exception_info_t*>(bad)),
              ZX_ERR_INVALID_ARGS);
    size_t actual = 0;
    char byte = 0;
    EXPECT_EQ(zx_process_read_memory(program.process.get(), 0x1000, &byte, 1, reinterpret_cast<size_t*>(bad)),
              ZX_ERR_INVALID_ARGS);
    if (bad != odd) {
      EXPECT_EQ(zx_process_read_memory(program.process.get(), 0x1000, bad, 1, &actual), ZX_ERR_INVALID_ARGS);
    }
  }
}

}  // namespace
}  // namespace zxctl::test
