// Processes from their start to their end, as the calls tell of them.
#include <gmock/gmock.h>
#include <magenta/syscalls.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <string>
#include <thread>

#include "general_registers.h"
#include "live/zx_tasks.h"
#include "support/proc_view.h"
#include "support/programs32.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kSleeper = {"/bin/sleep", "1000"};

// ---- spawned -----------------------------------------------------------------------------------------------------

TEST(Spawned, IsNewUntilItIsStarted) {
  const Program program = Spawn(kSleeper);
  EXPECT_EQ(SignalsOf(program.thread), 0U);
  EXPECT_EQ(InfoOf(program.process).flags, 0U);
  EXPECT_EQ(mx_task_suspend(program.thread.get()), ZX_ERR_BAD_STATE);
  EXPECT_EQ(program.process.detach(), ZX_ERR_BAD_STATE);
  ASSERT_EQ(program.process.start(), ZX_OK);
  EXPECT_EQ(SignalsOf(program.thread), ZX_THREAD_RUNNING);
  EXPECT_EQ(mx_task_suspend(program.thread.get()), ZX_OK) << zxl_last_error();
  EXPECT_EQ(InfoOf(program.process).flags, ZX_INFO_PROCESS_FLAG_STARTED);
  EXPECT_EQ(program.process.start(), ZX_ERR_BAD_STATE);
}

TEST(Spawned, ANewOneEndsWithTheLastHandleToIt) {
  Program program = Spawn(kSleeper);
  const UniqueFd end = OpenPidfd(PidOf(program.process));
  program.thread.reset();
  program.process.reset();
  EXPECT_TRUE(ProcessGone(end));
}

TEST(Spawned, AStartedOneOutlivesItsHandles) {
  const zx::Job job = MakeJob();
  zx_koid_t koid = 0;
  size_t actual = 0;
  {
    Program program = Spawn(kSleeper, ZXL_SPAWN_START, job);
    program.thread.reset();
    program.process.reset();
  }
  ASSERT_EQ(job.get_info(ZX_INFO_JOB_PROCESSES, &koid, sizeof(koid), &actual), ZX_OK);
  ASSERT_EQ(actual, 1U);
  zx::Process again;
  ASSERT_EQ(job.get_child(koid, ZX_RIGHT_SAME_RIGHTS, &again), ZX_OK) << zxl_last_error();
  ASSERT_EQ(job.kill(), ZX_OK);
  AwaitEnd(again);
  EXPECT_EQ(InfoOf(again).return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
}

TEST(Spawned, TheJobsDebuggerHearsOfItAlsoWhenItStartsAtOnce) {
  for (const uint32_t options : {0U, ZXL_SPAWN_START}) {
    const zx::Job job = MakeJob();
    const zx::Port port = MakePort();
    ASSERT_EQ(job.bind_exception_port(port, 9, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    const Program program = Spawn({"/bin/true"}, options, job);
    if (options == 0) {
      ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
    }
    const zx_port_packet_t packet = NextPacket(port);
    EXPECT_EQ(packet.type, ZX_EXCP_PROCESS_STARTING);
    EXPECT_EQ(SignalsOf(program.process), 0U);
    ASSERT_EQ(program.thread.resume_from_exception(port, 0), ZX_OK) << zxl_last_error();
    AwaitEnd(program.process);
  }
}

TEST(Spawned, AFailureSaysWhichStepItWas) {
  Program program;
  const char* const argv[] = {"true", nullptr};
  zxl_spawn_args_t args = {
      .path = "true", .argv = argv, .envp = nullptr, .cwd = "/no/such/folder", .stdio = {-1, -1, -1}, .options = 0};
  EXPECT_EQ(zx::Process::spawn(*zx::Job::default_job(), args, &program.process), ZX_ERR_NOT_FOUND);
  EXPECT_THAT(zxl_last_error(), HasSubstr("folder /no/such/folder"));
  args.cwd = nullptr;
  args.stdio[1] = 100000;
  EXPECT_EQ(zx::Process::spawn(*zx::Job::default_job(), args, &program.process), ZX_ERR_IO);
  EXPECT_THAT(zxl_last_error(), HasSubstr("stdio[1] is 100000, which cannot be used"));
  EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {"/no/such/program"}, 0, &program), ZX_ERR_NOT_FOUND);
  EXPECT_THAT(zxl_last_error(), HasSubstr("cannot execute /no/such/program"));
  EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {"/etc/passwd"}, 0, &program), ZX_ERR_ACCESS_DENIED);
  EXPECT_THAT(zxl_last_error(), HasSubstr("cannot execute /etc/passwd, which is not executable"));
  EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {"no-such-program"}, 0, &program), ZX_ERR_NOT_FOUND);
  EXPECT_THAT(zxl_last_error(), HasSubstr("no-such-program, which is not in PATH"));
  EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {""}, 0, &program), ZX_ERR_NOT_FOUND);
  EXPECT_THAT(zxl_last_error(), HasSubstr("path is empty: name a program"));
  args.stdio[1] = -1;
  args.cwd = "";
  EXPECT_EQ(zx::Process::spawn(*zx::Job::default_job(), args, &program.process), ZX_ERR_NOT_FOUND);
  EXPECT_STREQ(zxl_last_error(), "zxl_process_spawn: cwd is empty: name a folder, or pass null for the caller's");
}

TEST(Spawned, AnyNegativeEntryOfStdioIsTheCallersOwn) {
  Program program;
  const char* const argv[] = {"true", nullptr};
  const zxl_spawn_args_t args = {
      .path = "true", .argv = argv, .envp = nullptr, .cwd = nullptr, .stdio = {-1, -5, INT_MIN}, .options = 0};
  EXPECT_EQ(zx::Process::spawn(*zx::Job::default_job(), args, &program.process), ZX_OK) << zxl_last_error();
}

TEST(Spawned, AnInterpreterThatIsMissingIsNamed) {
  const TempDir dir;
  Program program;
  const auto try_script = [&](const std::string& text) {
    const std::string path = dir.Write("script", text, 0755);
    EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {path}, 0, &program), ZX_ERR_NOT_FOUND);
    EXPECT_THAT(zxl_last_error(), HasSubstr("cannot execute " + path + ": its interpreter "));
    return std::string(zxl_last_error());
  };
  EXPECT_THAT(try_script("#! /no/such/shell -e\n"), HasSubstr(" /no/such/shell is missing"));
  EXPECT_THAT(try_script("#!/bin/sh\r\n"), HasSubstr(" /bin/sh\\x0d is missing"));
  EXPECT_THAT(try_script("#!" + dir.Write("inner", "#!/no/inner\n", 0755) + "\n"), HasSubstr(" /no/inner is missing"));
  std::string binary = FileText("/bin/true");
  const size_t name = binary.find("/ld-linux");
  ASSERT_NE(name, std::string::npos);
  const size_t loader = binary.rfind("/lib", name);
  binary.replace(loader, 4, "/bil");
  EXPECT_THAT(try_script(binary), HasSubstr(std::string(" ") + (binary.c_str() + loader) + " is missing"));
  // As the new process finds it: from its own folder.
  dir.Write("script", "#!no/such", 0755);
  const char* const argv[] = {"script", nullptr};
  zxl_spawn_args_t args = {.path = "./script",
                           .argv = argv,
                           .envp = nullptr,
                           .cwd = dir.path().c_str(),
                           .stdio = {-1, -1, -1},
                           .options = 0};
  EXPECT_EQ(zx::Process::spawn(*zx::Job::default_job(), args, &program.process), ZX_ERR_NOT_FOUND);
  EXPECT_THAT(zxl_last_error(), HasSubstr("its interpreter no/such is missing"));
  const std::string denied = dir.Write("denied", "#!/etc/passwd\n", 0755);
  EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {denied}, 0, &program), ZX_ERR_ACCESS_DENIED);
  EXPECT_THAT(zxl_last_error(), HasSubstr("its interpreter /etc/passwd cannot be executed"));
}

TEST(Spawned, ByAProgramThatIsUnderItsOwnSupervision) {
  zx::Process self;
  ASSERT_EQ(zx::Process::attach(*zx::Job::default_job(), getpid(), 0, &self), ZX_OK) << zxl_last_error();
  const zx::Job job = MakeJob();
  const Program program = Spawn({"/bin/sh", "-c", "exit 5"}, 0, job);
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 5);
  EXPECT_EQ(self.detach(), ZX_OK) << zxl_last_error();
}

// ---- the end -----------------------------------------------------------------------------------------------------

TEST(Ended, ItsStartTimeAndItsCodeStay) {
  const Program program = Spawn({"/bin/sh", "-c", "exit 7"});
  const zx_time_t before = zx_clock_get_monotonic();
  ASSERT_EQ(program.process.start(), ZX_OK);
  AwaitEnd(program.process);
  const zx_info_process_t info = InfoOf(program.process);
  EXPECT_GE(info.start_time, before);
  EXPECT_LE(info.start_time, zx_clock_get_monotonic());
  EXPECT_EQ(info.return_code, 7);
  EXPECT_EQ(info.flags, ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED);
  int32_t status = 0;
  EXPECT_EQ(program.process.get_wait_status(&status), ZX_OK);
  EXPECT_EQ(status, 7 << 8);
}

TEST(Ended, BeforeItWasStarted) {
  const Program program = Spawn(kSleeper);
  ASSERT_EQ(program.process.kill(), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).flags, ZX_INFO_PROCESS_FLAG_EXITED);
  EXPECT_EQ(InfoOf(program.process).return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
}

TEST(Ended, OfALetGoProcessOnlyTheEndIsKnown) {
  const Program program = Spawn(kSleeper, ZXL_SPAWN_START);
  const pid_t pid = PidOf(program.process);
  ASSERT_EQ(program.process.detach(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(TracerOf(pid), 0);
  int32_t status = 0;
  EXPECT_EQ(program.process.get_wait_status(&status), ZX_ERR_BAD_STATE);
  EXPECT_EQ(program.process.kill(), ZX_ERR_BAD_STATE);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  AwaitEnd(program.process);
  zx_info_process_t info = {};
  EXPECT_EQ(program.process.get_info(ZX_INFO_PROCESS, &info, sizeof(info)), ZX_ERR_BAD_STATE);
  EXPECT_EQ(program.process.get_wait_status(&status), ZX_ERR_BAD_STATE);
}

TEST(Ended, WhenTheTracerDiesEveryCallSaysSo) {
  const Program program = Spawn(kSleeper, ZXL_SPAWN_START);
  const pid_t pid = PidOf(program.process);
  const pid_t tracer = TracerOf(pid);
  ASSERT_GT(tracer, 1);
  ASSERT_EQ(kill(tracer, SIGKILL), 0);
  EXPECT_EQ(program.process.wait_one(ZX_PROCESS_TERMINATED, Soon()), ZX_ERR_PEER_CLOSED);
  EXPECT_THAT(zxl_last_error(), HasSubstr("the tracer is gone"));
  char byte = 0;
  size_t actual = 0;
  int32_t status = 0;
  zx_thread_state_general_regs_t registers = {};
  EXPECT_EQ(program.process.read_memory(0, &byte, 1, &actual), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(program.process.get_wait_status(&status), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(program.process.kill(), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(program.thread.read_state(0, &registers, sizeof(registers)), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(program.thread.resume(0), ZX_ERR_PEER_CLOSED);
  // The program runs on, and a new tracer can take it up.
  zx::Process again;
  EXPECT_EQ(zx::Process::attach(*zx::Job::default_job(), pid, 0, &again), ZX_OK) << zxl_last_error();
  EXPECT_EQ(again.kill(), ZX_OK);
  AwaitEnd(again);
}

TEST(Ended, WhenTheTracerDiesPortsThatWaitForItSaySo) {
  const Program program = Spawn(kSleeper, ZXL_SPAWN_START);
  const Program ended = Spawn({"/bin/true"}, ZXL_SPAWN_START);
  const zx::Port told = MakePort();
  ASSERT_EQ(zx_object_wait_async(ended.process.get(), told.get(), 3, ZX_PROCESS_TERMINATED, 0), ZX_OK);
  AwaitEnd(ended.process);
  const zx::Port bound = MakePort();
  const zx::Port watching = MakePort();
  const zx::Port other = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(bound, 1, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(zx_object_wait_async(program.process.get(), watching.get(), 2, ZX_PROCESS_TERMINATED, 0), ZX_OK);
  int fd = -1;
  ASSERT_EQ(zxl_port_get_fd(watching.get(), &fd), ZX_OK);
  const pid_t pid = PidOf(program.process);
  ASSERT_EQ(kill(TracerOf(pid), SIGKILL), 0);
  zx_port_packet_t packet = {};
  EXPECT_EQ(zx_port_wait(bound.get(), ZX_TIME_INFINITE, &packet), ZX_ERR_PEER_CLOSED);
  EXPECT_THAT(zxl_last_error(), HasSubstr("the tracer is gone"));
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&readable, 1, -1), 1);
  EXPECT_EQ(zx_port_wait(watching.get(), ZX_TIME_INFINITE, &packet), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(zx_port_wait(other.get(), 0, &packet), ZX_ERR_TIMED_OUT);
  EXPECT_EQ(zx_port_wait(told.get(), 0, &packet), ZX_OK) << "what came before is not lost";
  EXPECT_EQ(packet.key, 3U);
  // Another tracer's tasks make it a port like any other.
  zx::Process again;
  ASSERT_EQ(zx::Process::attach(*zx::Job::default_job(), pid, 0, &again), ZX_OK) << zxl_last_error();
  EXPECT_EQ(again.bind_exception_port(bound, 1, 0), ZX_OK) << zxl_last_error();
  EXPECT_EQ(zx_port_wait(bound.get(), 0, &packet), ZX_ERR_TIMED_OUT);
  EXPECT_EQ(again.kill(), ZX_OK);
  AwaitEnd(again);
}

TEST(Ended, ParkedProcessesGoWithTheTracerAndStartedOnesDoNot) {
  const Program parked = Spawn(kSleeper);
  const Program started = Spawn(kSleeper);
  ASSERT_EQ(started.process.start(), ZX_OK) << zxl_last_error();
  const UniqueFd end = OpenPidfd(PidOf(parked.process));
  const pid_t pid = PidOf(started.process);
  ASSERT_EQ(kill(TracerOf(pid), SIGKILL), 0);
  pollfd ended{.fd = end.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&ended, 1, -1), 1);
  zx::Process again;
  ASSERT_EQ(zx::Process::attach(*zx::Job::default_job(), pid, 0, &again), ZX_OK) << zxl_last_error();
  EXPECT_EQ(again.kill(), ZX_OK);
  AwaitEnd(again);
}

TEST(Ended, TheFirstSpawnAfterATracersDeathStartsAnother) {
  const Program program = Spawn(kSleeper, ZXL_SPAWN_START);
  const pid_t tracer = TracerOf(PidOf(program.process));
  ASSERT_EQ(kill(PidOf(program.process), SIGKILL), 0);
  const UniqueFd end = OpenPidfd(tracer);
  ASSERT_EQ(kill(tracer, SIGKILL), 0);
  pollfd ended{.fd = end.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&ended, 1, -1), 1);
  const Program next = Spawn(kSleeper, ZXL_SPAWN_START);
  EXPECT_EQ(next.process.kill(), ZX_OK) << zxl_last_error();
  AwaitEnd(next.process);
}

// ---- who waits, and since when -------------------------------------------------------------------------------------

class Waiters : public testing::Test {
 protected:
  // A thread that waits for an exception and passes it on. Nobody else calls the library until it has.
  void WaitInThread() {
    waiter = std::thread([this] {
      tid = gettid();
      packet = NextPacket(port);
      EXPECT_EQ(zx_port_queue(answered.get(), &packet), ZX_OK);
    });
    EXPECT_TRUE(WaitUntil([this] {
      const auto call = BlockedCallOf(tid);
      return call == SYS_futex || call == SYS_futex_waitv;
    }));
  }
  void Fault() {
    // Later than the last call of this thread returns, as a rule.
    program = Spawn({"/bin/sh", "-c", "sleep 0.2; kill -SEGV $$"});
    ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK) << zxl_last_error();
    ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  }

  zx::Port port = MakePort();
  zx::Port answered = MakePort();
  Program program;
  std::thread waiter;
  std::atomic<pid_t> tid = 0;
  zx_port_packet_t packet = {};
};

TEST_F(Waiters, AThreadThatWaitsSinceBeforeTheFirstTaskIsWoken) {
  WaitInThread();
  Fault();
  waiter.join();
  EXPECT_EQ(packet.type, ZX_EXCP_GENERAL);
}

TEST_F(Waiters, AThreadThatWaitsSinceBeforeTheTracerDiedIsWokenByTheNextOne) {
  const Program first = Spawn(kSleeper, ZXL_SPAWN_START);
  const pid_t tracer = TracerOf(PidOf(first.process));
  ASSERT_GT(tracer, 1);
  WaitInThread();
  ASSERT_EQ(kill(tracer, SIGKILL), 0);
  EXPECT_EQ(first.process.wait_one(ZX_PROCESS_TERMINATED, Soon()), ZX_ERR_PEER_CLOSED);
  Fault();
  waiter.join();
  EXPECT_EQ(packet.type, ZX_EXCP_GENERAL);
  EXPECT_EQ(kill(PidOf(first.process), SIGKILL), 0);
}

TEST_F(Waiters, ADescriptorThatIsOlderThanTheFirstTaskTellsOfExceptions) {
  pollfd ready = {.fd = -1, .events = POLLIN, .revents = 0};
  ASSERT_EQ(port.get_fd(&ready.fd), ZX_OK);
  Fault();
  EXPECT_EQ(poll(&ready, 1, 60000), 1);
}

// ---- memory and registers ----------------------------------------------------------------------------------------

TEST(Memory, CanBeHadAfterTheLeaderHasEnded) {
  const Program program = Spawn({TargetPath("target_crash"), "leaderless"});
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK);
  ASSERT_EQ(program.process.start(), ZX_OK);
  const zx_port_packet_t packet = NextPacket(port);
  ASSERT_EQ(packet.type, ZX_EXCP_FATAL_PAGE_FAULT);
  zx::Thread thread;
  ASSERT_EQ(program.process.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK);
  zx_thread_state_general_regs_t registers = {};
  ASSERT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK);
  uint64_t word = 0;
  size_t actual = 0;
  EXPECT_EQ(program.process.read_memory(SpOf(registers), &word, sizeof(word), &actual), ZX_OK) << zxl_last_error();
  EXPECT_EQ(actual, sizeof(word));
  EXPECT_EQ(program.process.write_memory(SpOf(registers), &word, sizeof(word), &actual), ZX_OK) << zxl_last_error();
  EXPECT_EQ(actual, sizeof(word));
  EXPECT_EQ(program.process.read_memory(0, &word, sizeof(word), &actual), ZX_ERR_NO_MEMORY);
}

// It is dead, though its process is not: who gets a handle to it only now is told so as well.
TEST(ThreadsEnd, IsThereForThoseWhoFindTheLeaderDead) {
  Program program = Spawn({TargetPath("target_crash"), "leaderless"});
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK);
  zx_info_handle_basic_t leader = {};
  ASSERT_EQ(program.thread.get_info(ZX_INFO_HANDLE_BASIC, &leader, sizeof(leader)), ZX_OK);
  program.thread.reset();
  ASSERT_EQ(program.process.start(), ZX_OK);
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  zx::Thread found;
  ASSERT_EQ(program.process.get_child(leader.koid, ZX_RIGHT_SAME_RIGHTS, &found), ZX_OK) << zxl_last_error();
  zx_signals_t observed = 0;
  EXPECT_EQ(found.wait_one(ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, &observed), ZX_OK);
  EXPECT_EQ(observed, ZX_THREAD_TERMINATED);
}

TEST(Registers, Of32BitCodeAreNotSupported) {
  ZX_NEEDS_PROGRAMS32();
  const Program program = Spawn({TargetPath("target_fault_32"), "null_read"});
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK);
  ASSERT_EQ(program.process.start(), ZX_OK);
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  zx_thread_state_general_regs_t registers = {};
  EXPECT_EQ(program.thread.read_state(0, &registers, sizeof(registers)), ZX_ERR_NOT_SUPPORTED);
  EXPECT_EQ(program.thread.write_state(0, &registers, sizeof(registers)), ZX_ERR_NOT_SUPPORTED);
}

}  // namespace
}  // namespace zxctl::test
