// The errors of the task calls, in the order that their pages promise: each line is wrong in one way less than the one before.
// What zxl_last_error() says of them.
#include <gmock/gmock.h>
#include <magenta/syscalls.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "general_registers.h"
#include "live/zx_tasks.h"
#include "support/handles.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

class TaskErrors : public testing::Test {
 protected:
  // BAD_HANDLE, WRONG_TYPE and ACCESS_DENIED, as all calls give them for their first argument.
  void HandleErrors(zx_handle_t handle, zx_rights_t right, const std::function<zx_status_t(zx_handle_t)>& call,
                    zx_handle_t wrong) {
    EXPECT_EQ(call(Stale()), ZX_ERR_BAD_HANDLE);
    EXPECT_EQ(call(wrong), ZX_ERR_WRONG_TYPE);
    EXPECT_EQ(call(OwnedHandle(Without(wrong, ~ZX_RIGHT_TRANSFER))), ZX_ERR_WRONG_TYPE);
    EXPECT_EQ(call(OwnedHandle(Without(handle, right))), ZX_ERR_ACCESS_DENIED);
  }

  // A program that has not been started: nothing of it runs.
  const Program program = Spawn({"/bin/sleep", "1000"});
  const zx_handle_t process = program.process.get();
  const zx_handle_t thread = program.thread.get();
  const zx::Port port_owner = MakePort();
  const zx_handle_t port = port_owner.get();
  const zx_handle_t job = zx_job_default();
  zx_handle_t out = ZX_HANDLE_INVALID;
};

TEST_F(TaskErrors, Spawn) {
  const char* const argv[] = {"true", nullptr};
  zxl_spawn_args_t args = {
      .path = nullptr, .argv = nullptr, .envp = nullptr, .cwd = nullptr, .stdio = {-1, -1, -1}, .options = 8};
  HandleErrors(
      job, ZX_RIGHT_MANAGE_PROCESS, [](zx_handle_t h) { return zxl_process_spawn(h, nullptr, nullptr, nullptr); },
      port);
  EXPECT_EQ(zxl_process_spawn(job, nullptr, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("args is null"), std::string::npos);
  EXPECT_EQ(zxl_process_spawn(job, &args, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("path is null"), std::string::npos);
  args.path = "true";
  EXPECT_EQ(zxl_process_spawn(job, &args, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("argv is null"), std::string::npos);
  args.argv = argv;
  EXPECT_EQ(zxl_process_spawn(job, &args, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("out_process is null"), std::string::npos);
  const zx::Job killed = MakeJob();
  ASSERT_EQ(killed.kill(), ZX_OK);
  EXPECT_EQ(zxl_process_spawn(killed.get(), &args, &out, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("options has 0x8"), std::string::npos);
  args.options = 0;
  EXPECT_EQ(zxl_process_spawn(killed.get(), &args, &out, nullptr), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, Attach) {
  EXPECT_EQ(zxl_process_attach(Stale(), -1, 1, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("options"), std::string::npos);
  HandleErrors(
      job, ZX_RIGHT_MANAGE_PROCESS, [](zx_handle_t h) { return zxl_process_attach(h, -1, 0, nullptr); }, port);
  EXPECT_EQ(zxl_process_attach(job, -1, 0, nullptr), ZX_ERR_INVALID_ARGS);
  const zx::Job killed = MakeJob();
  ASSERT_EQ(killed.kill(), ZX_OK);
  EXPECT_EQ(zxl_process_attach(killed.get(), -1, 0, &out), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zxl_process_attach(job, -1, 0, &out), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(zxl_process_attach(job, PidOf(program.process), 0, &out), ZX_ERR_ALREADY_BOUND);
  EXPECT_THAT(LastError(), HasSubstr("under supervision of this program already"));
  std::jthread other([&] {
    EXPECT_EQ(zxl_process_attach(job, gettid(), 0, &out), ZX_ERR_NOT_FOUND);
    EXPECT_THAT(LastError(), HasSubstr("is a thread of process " + std::to_string(getpid())));
  });
}

TEST_F(TaskErrors, StartAndDetach) {
  HandleErrors(process, ZX_RIGHT_MANAGE_PROCESS, zxl_process_start, thread);
  HandleErrors(process, ZX_RIGHT_MANAGE_PROCESS, zxl_process_detach, thread);
  EXPECT_EQ(zxl_process_detach(process), ZX_ERR_BAD_STATE);
  ASSERT_EQ(zx_task_kill(process), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(zxl_process_start(process), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zxl_process_detach(process), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, GetPidAndWaitStatus) {
  HandleErrors(
      process, ZX_RIGHT_INSPECT, [](zx_handle_t h) { return zxl_task_get_pid(h, nullptr); }, job);
  EXPECT_EQ(zxl_task_get_pid(thread, nullptr), ZX_ERR_INVALID_ARGS);
  HandleErrors(
      process, ZX_RIGHT_INSPECT, [](zx_handle_t h) { return zxl_process_get_wait_status(h, nullptr); }, thread);
  EXPECT_EQ(zxl_process_get_wait_status(process, nullptr), ZX_ERR_INVALID_ARGS);
  int32_t status = 0;
  EXPECT_EQ(zxl_process_get_wait_status(process, &status), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, Bind) {
  const OwnedHandle deaf(Without(port, ZX_RIGHT_WRITE));
  EXPECT_EQ(zx_task_bind_exception_port(Stale(), Stale(), 0, 2), ZX_ERR_INVALID_ARGS) << "an option of unbinds only";
  EXPECT_THAT(LastError(), HasSubstr("UNBIND_QUIETLY, which is for unbinding"));
  EXPECT_EQ(zx_task_bind_exception_port(Stale(), 0, 0, 4), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_task_bind_exception_port(Stale(), port, 0, ZXL_EXCEPTION_PORT_FIRST_CHANCE), ZX_ERR_INVALID_ARGS);
  EXPECT_THAT(LastError(), HasSubstr("which only zxl_task_bind_exception_port() takes"));
  EXPECT_EQ(zxl_task_bind_exception_port(Stale(), port, 0, ZXL_EXCEPTION_PORT_FIRST_CHANCE, -1), ZX_ERR_INVALID_ARGS);
  HandleErrors(
      thread, ZX_RIGHT_MANAGE_THREAD,
      [](zx_handle_t h) { return zx_task_bind_exception_port(h, Stale(), 0, ZX_EXCEPTION_PORT_DEBUGGER); }, port);
  EXPECT_EQ(zx_task_bind_exception_port(thread, Stale(), 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_task_bind_exception_port(thread, job, 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_task_bind_exception_port(thread, deaf, 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_ACCESS_DENIED);
  for (const zx_handle_t to : {port, ZX_HANDLE_INVALID}) {
    EXPECT_EQ(zx_task_bind_exception_port(thread, to, 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_ERR_INVALID_ARGS);
    EXPECT_THAT(LastError(), HasSubstr("ZX_EXCEPTION_PORT_DEBUGGER, which threads do not have: pass the process"));
  }
  EXPECT_EQ(zx_task_bind_exception_port(thread, 0, 0, 0), ZX_ERR_BAD_STATE);
  EXPECT_THAT(LastError(), HasSubstr("no port is bound there"));
  EXPECT_EQ(zx_task_bind_exception_port(thread, port, 0, 0), ZX_OK);
  EXPECT_EQ(zx_task_bind_exception_port(thread, port, 0, 0), ZX_ERR_ALREADY_BOUND);
  EXPECT_THAT(LastError(), HasSubstr("unbind it first"));
  ASSERT_EQ(zx_task_kill(process), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(zx_task_bind_exception_port(process, port, 0, 0), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(zx_task_bind_exception_port(thread, 0, 0, 0), ZX_OK) << "what was bound before its death";
  EXPECT_EQ(zx_task_bind_exception_port(thread, 0, 0, 0), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, Resume) {
  for (const auto& resume : {zx_task_resume, mx_task_resume}) {
    EXPECT_EQ(resume(Stale(), 4), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(resume(Stale(), ZX_RESUME_TRY_NEXT), ZX_ERR_INVALID_ARGS);
    for (const uint32_t options : {0U, ZX_RESUME_EXCEPTION, ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT}) {
      HandleErrors(
          thread, ZX_RIGHT_WRITE, [&](zx_handle_t h) { return resume(h, options); }, process);
      EXPECT_EQ(resume(thread, options), ZX_ERR_BAD_STATE) << "it is new, and in no exception";
    }
  }
}

TEST_F(TaskErrors, ResumeFromException) {
  HandleErrors(
      thread, ZX_RIGHT_WRITE, [](zx_handle_t h) { return zx_task_resume_from_exception(h, Stale(), 1); }, process);
  EXPECT_EQ(zx_task_resume_from_exception(thread, Stale(), 1), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_task_resume_from_exception(thread, job, 1), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_task_resume_from_exception(thread, port, 1), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_task_resume_from_exception(thread, port, 0), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, Suspend) {
  for (const auto& suspend : {zx_task_suspend, zx_task_suspend_token}) {
    HandleErrors(
        thread, ZX_RIGHT_WRITE, [&](zx_handle_t h) { return suspend(h, nullptr); }, job);
    EXPECT_EQ(suspend(thread, nullptr), ZX_ERR_INVALID_ARGS);
  }
  HandleErrors(thread, ZX_RIGHT_WRITE, mx_task_suspend, process);
  EXPECT_EQ(mx_task_suspend(thread), ZX_ERR_BAD_STATE);
  zx::Process self;
  ASSERT_EQ(zx::Process::attach(*zx::Job::default_job(), getpid(), 0, &self), ZX_OK) << zxl_last_error();
  EXPECT_EQ(zx_task_suspend(self.get(), nullptr), ZX_ERR_NOT_SUPPORTED);
  ASSERT_EQ(self.detach(), ZX_OK);
  ASSERT_EQ(zx_task_kill(process), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(zx_task_suspend(thread, &out), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_task_suspend(process, &out), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, Kill) {
  HandleErrors(process, ZX_RIGHT_DESTROY, zx_task_kill, port);
  HandleErrors(job, ZX_RIGHT_DESTROY, zx_task_kill, port);
  EXPECT_EQ(zx_task_kill(process), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(zx_task_kill(process), ZX_OK) << "a dead one is fine";
  EXPECT_EQ(zx_task_kill(thread), ZX_OK);
}

TEST_F(TaskErrors, Memory) {
  char byte = 0;
  size_t actual = 77;
  HandleErrors(
      process, ZX_RIGHT_READ, [](zx_handle_t h) { return zx_process_read_memory(h, 0, nullptr, 1, nullptr); }, thread);
  HandleErrors(
      process, ZX_RIGHT_WRITE, [](zx_handle_t h) { return zx_process_write_memory(h, 0, nullptr, 1, nullptr); },
      thread);
  EXPECT_EQ(zx_process_read_memory(process, 0, nullptr, 1, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("actual"), std::string::npos);
  EXPECT_EQ(zx_process_read_memory(process, 0, nullptr, 1, &actual), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("buffer"), std::string::npos);
  EXPECT_EQ(zx_process_read_memory(process, 0, &byte, 1, &actual), ZX_ERR_NO_MEMORY);
  EXPECT_EQ(zx_process_write_memory(process, ~0ULL, &byte, 1, &actual), ZX_ERR_NO_MEMORY);
  EXPECT_EQ(actual, 77U);
  EXPECT_EQ(zx_process_read_memory(process, 0, nullptr, 0, &actual), ZX_OK);
  EXPECT_EQ(actual, 0U);
  ASSERT_EQ(zx_task_kill(process), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(zx_process_read_memory(process, 0, &byte, 1, &actual), ZX_ERR_BAD_STATE);
}

TEST_F(TaskErrors, Registers) {
  zx_thread_state_general_regs_t registers = {};
  HandleErrors(
      thread, ZX_RIGHT_READ, [](zx_handle_t h) { return zx_thread_read_state(h, 9, nullptr, 0); }, process);
  EXPECT_EQ(zx_thread_read_state(thread, 9, nullptr, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_thread_read_state(thread, 0, nullptr, sizeof(registers) - 1), ZX_ERR_BUFFER_TOO_SMALL);
  EXPECT_EQ(zx_thread_read_state(thread, 0, nullptr, sizeof(registers)), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_thread_read_state(thread, 0, &registers, sizeof(registers)), ZX_ERR_BAD_STATE);
  HandleErrors(
      thread, ZX_RIGHT_WRITE, [](zx_handle_t h) { return zx_thread_write_state(h, 9, nullptr, 0); }, process);
  EXPECT_EQ(zx_thread_write_state(thread, 9, nullptr, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_thread_write_state(thread, 0, nullptr, sizeof(registers) - 1), ZX_ERR_BUFFER_TOO_SMALL);
  EXPECT_EQ(zx_thread_write_state(thread, 0, nullptr, sizeof(registers)), ZX_ERR_INVALID_ARGS);
  PcOf(registers) = ~0ULL;
  EXPECT_EQ(zx_thread_write_state(thread, 0, &registers, sizeof(registers)), ZX_ERR_BAD_STATE);
  ASSERT_EQ(program.process.start(), ZX_OK);
  zx::SuspendToken token;
  ASSERT_EQ(program.thread.suspend(&token), ZX_OK);
  ASSERT_EQ(program.thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  const zx_status_t written = kRefusesKernelPc ? ZX_ERR_INVALID_ARGS : ZX_OK;
  EXPECT_EQ(zx_thread_write_state(thread, 0, &registers, sizeof(registers)), written);
}

TEST_F(TaskErrors, GetException) {
  HandleErrors(
      thread, ZX_RIGHT_INSPECT, [](zx_handle_t h) { return zxl_thread_get_exception(h, nullptr); }, process);
  EXPECT_EQ(zxl_thread_get_exception(thread, nullptr), ZX_ERR_INVALID_ARGS);
  zxl_exception_info_t info = {};
  EXPECT_EQ(zxl_thread_get_exception(thread, &info), ZX_ERR_BAD_STATE);
}

// ---- the sentences ---------------------------------------------------------------------------------------------------

// What says about a task why it is in no state for a call: the one reason that holds.
class TaskStates : public TaskErrors {
 protected:
  void Refused(zx_status_t status, const char* why) {
    EXPECT_EQ(status, ZX_ERR_BAD_STATE);
    EXPECT_THAT(LastError(), HasSubstr(why));
  }
  void EveryCallRefuses(const char* why) {
    char byte = 0;
    size_t actual = 0;
    zx_info_process_t info = {};
    EveryThreadCallRefuses(why);
    Refused(zxl_process_start(process), why);
    Refused(zxl_process_detach(process), why);
    Refused(zx_task_suspend(process, &out), why);
    Refused(zx_process_read_memory(process, 0, &byte, 1, &actual), why);
    if (zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof(info), nullptr, nullptr) != ZX_OK) {
      EXPECT_THAT(LastError(), HasSubstr(why));
    }
  }
  void EveryThreadCallRefuses(const char* why) {
    zx_thread_state_general_regs_t registers = {};
    Refused(mx_task_suspend(thread), why);
    Refused(zx_task_resume(thread, 0), why);
    Refused(zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), why);
  }
  void EveryCallOfExceptionsRefuses(const char* why) {
    zxl_exception_info_t info = {};
    zx_exception_report_t report = {};
    Refused(zxl_thread_get_exception(thread, &info), why);
    Refused(zx_object_get_info(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, &report, sizeof(report), nullptr, nullptr),
            why);
    Refused(zx_task_resume(thread, ZX_RESUME_EXCEPTION), why);
    Refused(zx_task_resume_from_exception(thread, port, 0), why);
  }
  int32_t wait_status = 0;
};

TEST_F(TaskStates, NewOnesAreStartedFirst) {
  EveryThreadCallRefuses("has not been started: zx_thread_start() starts a thread");
  EveryCallOfExceptionsRefuses("is in no exception");
  Refused(zxl_process_detach(process), "has not been started: start it first, or kill it");
  Refused(zxl_process_get_wait_status(process, &wait_status), "has not ended yet: wait for ZX_TASK_TERMINATED");
}

TEST_F(TaskStates, RunningOnesAreSuspendedFirst) {
  ASSERT_EQ(zxl_process_start(process), ZX_OK);
  zx_thread_state_general_regs_t registers = {};
  Refused(zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)),
          "neither suspended nor in an exception: suspend it");
  Refused(zxl_process_start(process), "has been started already");
  EveryCallOfExceptionsRefuses("is in no exception");
}

TEST_F(TaskStates, DeadOnesAreDead) {
  ASSERT_EQ(zx_task_kill(process), ZX_OK);
  AwaitEnd(program.process);
  EveryCallRefuses("has ended");
  EveryCallOfExceptionsRefuses("has ended");
}

TEST_F(TaskStates, ThoseThatWereLetGoAreAttachedToAnew) {
  ASSERT_EQ(zxl_process_start(process), ZX_OK);
  const int32_t pid = PidOf(program.process);
  ASSERT_EQ(zxl_process_detach(process), ZX_OK);
  EveryCallRefuses("was let go by zxl_process_detach()");
  EveryCallOfExceptionsRefuses("was let go by zxl_process_detach()");
  Refused(zx_task_kill(process), "was let go");
  Refused(zx_task_bind_exception_port(process, port, 0, 0), "was let go");
  Refused(zxl_process_get_wait_status(process, &wait_status), "was let go");
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  AwaitEnd(program.process);
  Refused(zxl_process_get_wait_status(process, &wait_status), "nobody was told what it died of");
}

TEST_F(TaskErrors, AForkedChildIsToldThatItIsOne) {
  const pid_t child = fork();
  if (child == 0) {
    const bool told =
        zxl_process_start(process) == ZX_ERR_PEER_CLOSED && LastError().find("forked") != std::string::npos;
    _exit(told ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace zxctl::test
