// The half of the diagnosis that looks at the system. What it makes of it is in judge.cc.
#include "supervisor/diagnose.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace zxctl {
namespace {

int OpenError(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() ? 0 : errno;
}

// The kernel gives the files in /proc/PID to root when the task is not dumpable; the directory stays its user's.
bool OwnedByRoot(pid_t pid) {
  struct stat info = {};
  return stat(fmt::format("/proc/{}/stat", pid).c_str(), &info) == 0 && info.st_uid == 0;
}

AttachFacts ReadAttachFacts(pid_t pid) {
  AttachFacts facts{.pid = pid, .task = ReadTaskFacts(pid), .tracer = std::nullopt};
  facts.signal_error = kill(pid, 0) == 0 ? 0 : errno;
  facts.access_error = OpenError(fmt::format("/proc/{}/mem", pid));
  if (!facts.task) return facts;
  facts.not_dumpable = facts.task->uid.effective != 0 && OwnedByRoot(pid);
  if (facts.task->tracer != 0) facts.tracer = ReadTaskName(facts.task->tracer);
  return facts;
}

// With SIGCHLD ignored, as a parent may hand it down, the kernel reaps children before anybody can ask how they ended.
class ScopedDefaultSigchld {
 public:
  ScopedDefaultSigchld() {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &saved_);
  }
  ScopedDefaultSigchld(const ScopedDefaultSigchld&) = delete;
  ScopedDefaultSigchld& operator=(const ScopedDefaultSigchld&) = delete;
  ~ScopedDefaultSigchld() { sigaction(SIGCHLD, &saved_, nullptr); }

 private:
  struct sigaction saved_ = {};
};

[[noreturn]] void WaitForSeizer(int ready_fd, int end_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  char byte = 0;
  if (write(ready_fd, &byte, 1) == 1) (void)!read(end_fd, &byte, 1);
  _exit(0);
}

// Reports by its exit status: an errno fits in one.
[[noreturn]] void SeizeAndExit(pid_t victim) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  _exit(ptrace(PTRACE_SEIZE, victim, nullptr, nullptr) == 0 ? 0 : errno);
}

SeizeTrial TrySeizeOf(pid_t victim) {
  SeizeTrial trial;
  const pid_t seizer = fork();
  if (seizer == 0) SeizeAndExit(victim);
  if (seizer < 0) return {.ran = false, .error = errno};
  int status = 0;
  trial.ran = waitpid(seizer, &status, 0) == seizer;
  if (WIFSIGNALED(status)) trial.death_signal = WTERMSIG(status);
  if (WIFEXITED(status)) trial.error = WEXITSTATUS(status);
  return trial;
}

}  // namespace

SeizeTrial TrySeize() {
  const ScopedDefaultSigchld sigchld;
  int ready[2] = {-1, -1};
  int end[2] = {-1, -1};
  if (pipe2(ready, O_CLOEXEC) != 0) return {.ran = false, .error = errno};
  const UniqueFd ready_read(ready[0]), ready_write(ready[1]);
  if (pipe2(end, O_CLOEXEC) != 0) return {.ran = false, .error = errno};
  const UniqueFd end_read(end[0]), end_write(end[1]);
  const pid_t victim = fork();
  if (victim == 0) WaitForSeizer(ready[1], end[0]);
  if (victim < 0) return {.ran = false, .error = errno};
  char byte = 0;
  const bool ready_now = read(ready[0], &byte, 1) == 1;
  const SeizeTrial trial = ready_now ? TrySeizeOf(victim) : SeizeTrial{.ran = false, .error = EIO};
  kill(victim, SIGKILL);
  waitpid(victim, nullptr, 0);
  return trial;
}

Diagnosis DiagnoseLaunch() {
  return JudgeLaunch(ReadHostFacts(), ReadTaskFacts(getpid()).value_or(TaskFacts{}), TrySeize());
}

Diagnosis DiagnoseAttach(pid_t pid) {
  const AttachFacts target = ReadAttachFacts(pid);
  Diagnosis out = JudgeAttach(ReadHostFacts(), ReadTaskFacts(getpid()).value_or(TaskFacts{}), target);
  out.tracer = target.tracer;
  if (!target.task) return out;
  TraceeScan scan = FindTracees(target.task->process);
  out.tracees = std::move(scan.tracees);
  out.tracees_complete = scan.complete;
  return out;
}

}  // namespace zxctl
