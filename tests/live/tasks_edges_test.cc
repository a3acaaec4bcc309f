// Tasks in the rare moments: a tracer that dies, a program that forks, a process that somebody else has half, a thread that
// is killed at a signal.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "arch/arch.h"
#include "general_registers.h"
#include "live/zx_tasks.h"
#include "support/proc_view.h"
#include "support/supervised.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kSleeper = {"/bin/sleep", "1000"};

struct PipeEnds {
  PipeEnds() {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    reader.Reset(fds[0]);
    writer.Reset(fds[1]);
  }
  UniqueFd reader;
  UniqueFd writer;
};

zx_koid_t KoidOf(const zx::Handle& handle) {
  zx_info_handle_basic_t info = {};
  EXPECT_EQ(handle.get_info(ZX_INFO_HANDLE_BASIC, &info, sizeof(info)), ZX_OK);
  return info.koid;
}

// ---- a tracer that dies ----------------------------------------------------------------------------------------------

class DeadTracer : public testing::Test {
 protected:
  DeadTracer() : program_(Spawn(kSleeper, ZXL_SPAWN_START)), pid_(PidOf(program_.process)) {
    const pid_t tracer = TracerOf(pid_);
    const UniqueFd end = OpenPidfd(tracer);
    kill(tracer, SIGKILL);
    EXPECT_TRUE(ProcessGone(end));
    EXPECT_EQ(program_.process.wait_one(ZX_PROCESS_TERMINATED, Soon()), ZX_ERR_PEER_CLOSED);
  }
  ~DeadTracer() override { kill(pid_, SIGKILL); }

  Program program_;
  pid_t pid_;
};

TEST_F(DeadTracer, GivesNoLists) {
  zx_koid_t koids[8];
  size_t actual = 0;
  EXPECT_EQ(program_.process.get_info(ZX_INFO_PROCESS_THREADS, koids, sizeof(koids), &actual), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(zx::Job::default_job()->get_info(ZX_INFO_JOB_PROCESSES, koids, sizeof(koids), &actual), ZX_ERR_PEER_CLOSED);
  // These are the program's own.
  EXPECT_EQ(zx::Job::default_job()->get_info(ZX_INFO_JOB_CHILDREN, koids, sizeof(koids), &actual), ZX_OK);
}

TEST_F(DeadTracer, LeavesNoKoidToTheNext) {
  const Program next = Spawn(kSleeper);
  EXPECT_GT(KoidOf(next.process), KoidOf(program_.process));
  EXPECT_GT(KoidOf(next.process), KoidOf(program_.thread));
  EXPECT_NE(KoidOf(next.thread), KoidOf(program_.process));
  EXPECT_NE(KoidOf(next.thread), KoidOf(program_.thread));
}

// ---- starts ----------------------------------------------------------------------------------------------------------

TEST(KilledBeforeItsStart, WasNeverStarted) {
  for (int i = 0; i < 50; ++i) {
    const Program program = Spawn(kSleeper);
    ASSERT_EQ(program.process.kill(), ZX_OK);
    EXPECT_EQ(program.process.start(), ZX_ERR_BAD_STATE);
    AwaitEnd(program.process);
    EXPECT_EQ(InfoOf(program.process).flags, ZX_INFO_PROCESS_FLAG_EXITED);
    EXPECT_EQ(InfoOf(program.process).start_time, 0);
  }
}

// The first system call instruction behind `from`; 0 if there is none.
uint64_t FindSystemCall(const zx::Process& process, uint64_t from) {
  std::vector<uint8_t> code(size_t{1} << 18);
  size_t actual = 0;
  EXPECT_EQ(zx_process_read_memory(process.get(), from, code.data(), code.size(), &actual), ZX_OK) << zxl_last_error();
  const auto instruction = arch::kSystemCallInstruction;
  const auto end = code.begin() + static_cast<ptrdiff_t>(actual);
  const auto found = std::search(code.begin(), end, std::begin(instruction), std::end(instruction));
  return found == end ? 0 : from + static_cast<uint64_t>(found - code.begin());
}

TEST(Starting, AllRegistersCanBeSet) {
  const Program program = Spawn(kSleeper);
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
  zx_thread_state_general_regs_t registers = {};
  ASSERT_EQ(program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK);
  PcOf(registers) = FindSystemCall(program.process, PcOf(registers));
  ASSERT_NE(PcOf(registers), 0U);
  SetCall(registers, SYS_exit_group, 42);
  ASSERT_EQ(program.thread.write_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK)
      << zxl_last_error();
  ASSERT_EQ(program.thread.resume_from_exception(port, 0), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 42);
}

// ---- a thread that is killed -----------------------------------------------------------------------------------------

TEST(KilledAtASignal, LeavesItToTheOthers) {
  PipeEnds in;
  PipeEnds out;
  const std::string path = TargetPath("target_take");
  const char* argv[] = {path.c_str(), nullptr};
  const zxl_spawn_args_t args = {.path = argv[0],
                                 .argv = argv,
                                 .envp = nullptr,
                                 .cwd = nullptr,
                                 .stdio = {in.reader.get(), out.writer.get(), -1},
                                 .options = ZXL_SPAWN_START};
  Program program;
  ASSERT_EQ(zx::Process::spawn(*zx::Job::default_job(), args, &program.process, &program.thread), ZX_OK);
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK) << zxl_last_error();
  char ready = 0;
  ASSERT_EQ(read(out.reader.get(), &ready, 1), 1);
  ASSERT_EQ(sigqueue(PidOf(program.process), SIGQUIT, {.sival_int = 42}), 0);
  const zx_port_packet_t packet = NextPacket(port);
  ASSERT_EQ(packet.type, ZX_EXCP_GENERAL);
  zx::Thread thread;
  ASSERT_EQ(program.process.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK) << zxl_last_error();
  ASSERT_NE(KoidOf(thread), KoidOf(program.thread));
  ASSERT_EQ(thread.kill(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(thread.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK);
  ASSERT_EQ(write(in.writer.get(), "g", 1), 1);
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 7);
}

// ---- attaching -------------------------------------------------------------------------------------------------------

TEST(PartlyTraced, IsRefusedAndLeftAsItWas) {
  PipeEnds ready;
  PipeEnds until;
  // A child of ours with two threads.
  const pid_t target = fork();
  if (target == 0) {
    std::thread other([&] {
      const auto tid = static_cast<pid_t>(gettid());
      (void)!write(ready.writer.get(), &tid, sizeof(tid));
      for (;;) pause();
    });
    for (;;) pause();
  }
  pid_t thread = 0;
  ASSERT_EQ(read(ready.reader.get(), &thread, sizeof(thread)), static_cast<ssize_t>(sizeof(thread)));
  const pid_t tracer = fork();
  if (tracer == 0) {
    const long seized = ptrace(PTRACE_SEIZE, thread, nullptr, nullptr);
    const char byte = seized == 0 ? 'y' : 'n';
    (void)!write(ready.writer.get(), &byte, 1);
    char end = 0;
    (void)!read(until.reader.get(), &end, 1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready.reader.get(), &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  zx_handle_t process = ZX_HANDLE_INVALID;
  EXPECT_EQ(zxl_process_attach(zx_job_default(), target, 0, &process), ZX_ERR_ALREADY_BOUND);
  EXPECT_THAT(zxl_last_error(), HasSubstr("is traced by"));
  EXPECT_THAT(zxl_last_error(), HasSubstr("(process " + std::to_string(tracer) + ")"));
  EXPECT_EQ(TracerOf(target), 0);
  EXPECT_EQ(TracerOf(thread), tracer);
  ASSERT_EQ(write(until.writer.get(), "x", 1), 1);
  EXPECT_EQ(waitpid(tracer, nullptr, 0), tracer);
  EXPECT_EQ(zxl_process_attach(zx_job_default(), target, 0, &process), ZX_OK) << zxl_last_error();
  zx_handle_close(process);
  kill(target, SIGKILL);
  EXPECT_EQ(waitpid(target, nullptr, 0), target);
}

// ---- forks of a program that has tasks -------------------------------------------------------------------------------

using Fork = pid_t (*)();
class ForkedChild : public testing::TestWithParam<Fork> {};

// What the calls of the child give, in an exit status; 0: all of them are refused.
int TryEverything(const Program& program, const Program& parked, const zx::SuspendToken& token,
                  const zx::Thread& excepted, const zx::Port& port) {
  zx_koid_t koids[8];
  size_t actual = 0;
  zx_handle_t made = ZX_HANDLE_INVALID;
  const char* argv[] = {"/bin/true", nullptr};
  const zxl_spawn_args_t args = {
      .path = argv[0], .argv = argv, .envp = nullptr, .cwd = nullptr, .stdio = {-1, -1, -1}, .options = 0};
  if (zxl_process_spawn(zx_job_default(), &args, &made, &made) != ZX_ERR_BAD_STATE) return 1;
  if (zxl_process_attach(zx_job_default(), getppid(), 0, &made) != ZX_ERR_BAD_STATE) return 2;
  if (program.process.kill() == ZX_OK) return 3;
  if (zx_task_suspend_token(program.process.get(), &made) == ZX_OK) return 11;
  if (excepted.resume_from_exception(port, 0) == ZX_OK) return 4;
  zx_thread_state_general_regs_t registers = {};
  if (excepted.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)) == ZX_OK) return 5;
  if (program.process.get_info(ZX_INFO_PROCESS_THREADS, koids, sizeof(koids), &actual) == ZX_OK) return 6;
  if (program.process.bind_exception_port(port, 2, 0) == ZX_OK) return 7;
  zx_port_packet_t packet = {};
  if (port.wait(0, &packet) == ZX_OK) return 8;
  if (program.process.wait_one(ZX_PROCESS_TERMINATED, 0) == ZX_OK) return 9;
  if (zx_handle_close(program.process.get()) != ZX_OK || zx_handle_close(port.get()) != ZX_OK) return 10;
  if (zx_handle_close(token.get()) != ZX_OK || zx_handle_close(parked.process.get()) != ZX_OK) return 12;
  return 0;
}

TEST_P(ForkedChild, IsRefusedAndHurtsNobody) {
  const Program program = Spawn({TargetPath("target_crash"), "null"}, 0);
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  const Program parked = Spawn(kSleeper);
  const Program suspended = Spawn(kSleeper, ZXL_SPAWN_START);
  zx::SuspendToken token;
  ASSERT_EQ(suspended.thread.suspend(&token), ZX_OK) << zxl_last_error();
  ASSERT_EQ(suspended.thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  const pid_t child = GetParam()();
  if (child == 0) _exit(TryEverything(program, parked, token, program.thread, port));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  // One that executes a program meanwhile, or is killed.
  const pid_t other = GetParam()();
  if (other == 0) {
    execl("/bin/true", "true", nullptr);
    _exit(1);
  }
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
  // What it closed was its own.
  EXPECT_EQ(SignalsOf(suspended.thread), ZX_THREAD_SUSPENDED);
  EXPECT_EQ(parked.process.start(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(program.thread.resume_from_exception(port, ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
}

INSTANTIATE_TEST_SUITE_P(Ways, ForkedChild,
                         testing::Values([] { return fork(); },
                                         [] { return static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }));

std::vector<int> SocketsOf(pid_t pid) {
  std::vector<int> fds;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code error;
    const std::string to = std::filesystem::read_symlink(entry.path(), error).string();
    if (to.rfind("socket:", 0) == 0) fds.push_back(std::stoi(entry.path().filename().string()));
  }
  return fds;
}

// The tracer sees the parent's end by it, at once, although children live on.
TEST(ForkedByTheLibrarysFork, HasNotTheTracersSocket) {
  const Program program = Spawn(kSleeper);
  const std::vector<int> sockets = SocketsOf(getpid());
  int born[2];
  ASSERT_EQ(pipe(born), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(born[1]);
    for (;;) pause();
  }
  close(born[1]);
  char byte = 0;
  EXPECT_EQ(read(born[0], &byte, 1), 0) << "it is past what fork() calls in the child";
  close(born[0]);
  const std::vector<int> left = SocketsOf(child);
  EXPECT_LT(left.size(), sockets.size());
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

// A child that the program forks in another thread holds copies of whatever is open then.
TEST(Spawning, DoesNotWaitForForksOfTheProgram) {
  std::atomic<bool> stop = false;
  std::vector<pid_t> children;
  std::thread forks([&] {
    while (!stop && children.size() < 200) {
      const pid_t child = fork();
      if (child == 0) {
        for (;;) pause();
      }
      if (child > 0) children.push_back(child);
    }
  });
  for (int i = 0; i < 30; ++i) {
    const Program program = Spawn(kSleeper);
    Program missing;
    EXPECT_EQ(TrySpawn(*zx::Job::default_job(), {"/nowhere/at/all"}, 0, &missing), ZX_ERR_NOT_FOUND);
  }
  stop = true;
  forks.join();
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
}

}  // namespace
}  // namespace zxctl::test
