#include "live/core_subject.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "supervisor/linux_registers.h"
#include "support/proc_view.h"
#include "support/supervised.h"

namespace zxctl::report::test {
namespace {

constexpr long kOptions = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

// Starts when its parent has seized it.
[[noreturn]] void RunTarget(const std::string& program, const std::string& mode) {
  raise(SIGSTOP);
  execl(program.c_str(), program.c_str(), mode.c_str(), nullptr);
  _exit(127);
}

bool IsFault(int status) { return WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) == SIGSEGV; }

std::vector<pid_t> ThreadsOf(pid_t pid) {
  std::vector<pid_t> tids;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    tids.push_back(std::stoi(entry.path().filename()));
  }
  return tids;
}

}  // namespace

CoreSubject::CoreSubject(const std::string& mode) {
  Start(mode);
  RunToCrash();
  if (!crashed()) return;
  // By the thread's id: a leader that has exited has no memory.
  mem_.Reset(open(("/proc/" + std::to_string(record_.tid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  StopOthers();
}

void CoreSubject::Start(const std::string& mode) {
  const std::string program = zxctl::test::TargetPath("target_core");
  pid_ = fork();
  if (pid_ == 0) RunTarget(program, mode);
  int status = 0;
  ASSERT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
  ASSERT_EQ(ptrace(PTRACE_SEIZE, pid_, 0, kOptions), 0);
  ASSERT_EQ(kill(pid_, SIGCONT), 0);
}

void CoreSubject::RunToCrash() {
  for (;;) {
    int status = 0;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0 || (tid == pid_ && WIFEXITED(status))) return;
    if (!WIFSTOPPED(status)) continue;
    if (IsFault(status)) {
      siginfo_t info{};
      ASSERT_EQ(ptrace(PTRACE_GETSIGINFO, tid, 0, &info), 0);
      record_.pid = pid_;
      record_.tid = tid;
      record_.signal = {
          .signo = info.si_signo, .code = info.si_code, .address = reinterpret_cast<uint64_t>(info.si_addr)};
      return AddThread(tid);
    }
    ptrace(PTRACE_CONT, tid, 0, 0);
  }
}

void CoreSubject::StopOthers() {
  for (const pid_t tid : ThreadsOf(pid_)) {
    // A leader that has exited cannot stop: it is a zombie until its threads are gone.
    if (tid == record_.tid || zxctl::test::StateOf(tid) == 'Z') continue;
    ASSERT_EQ(ptrace(PTRACE_INTERRUPT, tid, 0, 0), 0);
    int status = 0;
    ASSERT_EQ(waitpid(tid, &status, __WALL), tid);
    AddThread(tid);
  }
}

void CoreSubject::AddThread(pid_t tid) {
  ring::ThreadRecord record{.tid = tid, .has_registers = 1};
  ASSERT_EQ(ReadRegisters(tid, record.registers), 0);
  threads_.push_back(record);
  for (const uint32_t type : arch::kFurtherRegisterSets) AddRegisterSet(tid, type);
}

void CoreSubject::AddRegisterSet(pid_t tid, uint32_t note_type) {
  RegisterSet set{.tid = tid, .note_type = note_type, .data = std::vector<std::byte>(16384)};
  iovec piece{set.data.data(), set.data.size()};
  if (ptrace(PTRACE_GETREGSET, tid, note_type, &piece) != 0) return;
  set.data.resize(piece.iov_len);
  register_sets_.push_back(std::move(set));
}

CoreRequest CoreSubject::Request(const std::string& directory) const {
  return {.directory = directory,
          .name = "target_core",
          .crash = record_,
          .threads = threads_,
          .register_sets = register_sets_,
          .mem_fd = mem_.get(),
          .deadline_ns = kNever,
          .max_bytes = UINT64_MAX};
}

void CoreSubject::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  for (int status = 0; waitpid(-1, &status, __WALL) > 0;) continue;
  pid_ = -1;
}

}  // namespace zxctl::report::test
