// Making processes: a program in a new one, and one that runs already.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "client/interpreter.h"
#include "client/orphan.h"
#include "client/task.h"

namespace zxctl::client {
namespace {

constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

// The files that a name may stand for, in the order they are tried.
std::vector<std::string> Candidates(const std::string& name) {
  if (name.find('/') != std::string::npos || name.empty()) return {name};
  const char* path = getenv("PATH");
  const std::string folders = path != nullptr ? path : kDefaultPath;
  std::vector<std::string> files;
  for (size_t from = 0; from <= folders.size();) {
    const size_t colon = std::min(folders.find(':', from), folders.size());
    const std::string folder = folders.substr(from, colon - from);
    files.push_back((folder.empty() ? "." : folder) + "/" + name);
    from = colon + 1;
  }
  return files;
}

// What the new process says.
enum class SpawnStep : int32_t { kReady, kStdio, kCwd, kExec };
struct SpawnReport {
  SpawnStep step = SpawnStep::kExec;  // kReady: it can be traced; else what failed
  int32_t error = 0;
  int32_t which = 0;  // kStdio: the entry; kExec: the file
};

// What the new process needs, made before it exists: it may not allocate.
struct Plan {
  std::vector<std::string> files;
  const SpawnRequest& request;
  pid_t tracer;
  int go_fd;      // a byte comes: whether it may go on
  int report_fd;  // takes SpawnReports
};

constexpr char kGo = 'g';
constexpr char kGoAway = 'x';

void Say(const Plan& plan, SpawnReport report) { (void)!write(plan.report_fd, &report, sizeof(report)); }

[[noreturn]] void GiveUp(const Plan& plan, SpawnStep step, int error, size_t which = 0) {
  Say(plan, {.step = step, .error = error, .which = static_cast<int32_t>(which)});
  _exit(127);
}

// The three descriptors may be each other's numbers: copies first.
void PlaceStdio(const Plan& plan) {
  const std::array<int, 3>& stdio = plan.request.stdio;
  std::array<int, 3> copies = {-1, -1, -1};
  for (size_t i = 0; i < stdio.size(); ++i) {
    if (stdio[i] < 0) continue;
    copies[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
    if (copies[i] < 0) GiveUp(plan, SpawnStep::kStdio, errno, i);
  }
  for (size_t i = 0; i < stdio.size(); ++i) {
    if (copies[i] >= 0 && dup2(copies[i], static_cast<int>(i)) < 0) GiveUp(plan, SpawnStep::kStdio, errno, i);
  }
}

// In the new process: only async-signal-safe calls.
[[noreturn]] void BecomeProgram(const Plan& plan) {
  const SpawnRequest& request = plan.request;
  prctl(PR_SET_PTRACER, static_cast<unsigned long>(plan.tracer), 0, 0, 0);
  if (request.new_group) setpgid(0, 0);
  Say(plan, {.step = SpawnStep::kReady});
  char byte = 0;
  if (read(plan.go_fd, &byte, 1) != 1 || byte != kGo) _exit(127);
  PlaceStdio(plan);
  if (request.cwd != nullptr && chdir(request.cwd) != 0) GiveUp(plan, SpawnStep::kCwd, errno);
  RestoreCallersSignalMask();
  auto* const argv = const_cast<char* const*>(request.argv);
  auto* const envp = request.envp == nullptr ? environ : const_cast<char* const*>(request.envp);
  int error = ENOENT;
  size_t which = 0;
  for (size_t i = 0; i < plan.files.size(); ++i) {
    execve(plan.files[i].c_str(), argv, envp);
    const int failure = errno;
    // A file that is there and can't be executed says more than those that are not.
    const bool missing = failure == ENOENT || failure == ENOTDIR;
    if (missing && (error != ENOENT || access(plan.files[i].c_str(), F_OK) != 0)) continue;
    error = failure;
    which = i;
  }
  GiveUp(plan, SpawnStep::kExec, error, which);
}

// The file as this process finds it, after the other one's change of its folder.
std::string FromHere(const SpawnRequest& request, const std::string& file) {
  return request.cwd == nullptr || file.starts_with('/') ? file : fmt::format("{}/{}", request.cwd, file);
}

// The first one in the row of interpreters that cannot be executed; empty if there is none.
std::string BadInterpreter(const SpawnRequest& request, const std::string& file) {
  std::string interpreter = file;
  // The kernel goes no further.
  for (int i = 0; i < 5; ++i) {
    interpreter = InterpreterOf(FromHere(request, interpreter));
    if (interpreter.empty() || access(FromHere(request, interpreter).c_str(), X_OK) != 0) return interpreter;
  }
  return {};
}

std::string WhyNotExecuted(const Plan& plan, const SpawnReport& report) {
  const std::string& file = plan.files[static_cast<size_t>(report.which)];
  const bool missing = report.error == ENOENT || report.error == ENOTDIR;
  const std::string from_here = FromHere(plan.request, file);
  if (access(from_here.c_str(), missing ? F_OK : X_OK) == 0) {
    const std::string interpreter = BadInterpreter(plan.request, file);
    const std::string_view is_bad = missing ? "is missing" : "cannot be executed";
    if (!interpreter.empty()) return fmt::format("cannot execute {}: its interpreter {} {}", file, interpreter, is_bad);
  }
  if (missing && plan.files.size() > 1) {
    return fmt::format("cannot execute {}, which is not in PATH", plan.request.path);
  }
  if (report.error == EACCES && access(from_here.c_str(), X_OK) != 0) {
    return fmt::format("cannot execute {}, which is not executable", file);
  }
  return fmt::format("cannot execute {}", file);
}

std::string WhatFailed(const Plan& plan, const SpawnReport& report) {
  const SpawnRequest& request = plan.request;
  switch (report.step) {
    case SpawnStep::kStdio:
      return fmt::format("stdio[{}] is {}, which cannot be used", report.which,
                         request.stdio[static_cast<size_t>(report.which)]);
    case SpawnStep::kCwd:
      return fmt::format("cannot change to the folder {}", request.cwd);
    case SpawnStep::kReady:
    case SpawnStep::kExec:
      break;
  }
  return WhyNotExecuted(plan, report);
}

// Null if neither is.
const char* EmptyName(const SpawnRequest& request, SpawnStep step) {
  if (step == SpawnStep::kCwd && *request.cwd == '\0') {
    return "cwd is empty: name a folder, or pass null for the caller's";
  }
  return step == SpawnStep::kExec && *request.path == '\0' ? "path is empty: name a program" : nullptr;
}

Status Failure(const Plan& plan, const SpawnReport& report) {
  if (const char* empty = EmptyName(plan.request, report.step); empty != nullptr) {
    return {.zx = ZX_ERR_NOT_FOUND, .what = empty};
  }
  const int error = report.error;
  Status status = Status::FromErrno(WhatFailed(plan, report), error);
  if (error == ENOENT || error == ENOTDIR) {
    status.zx = ZX_ERR_NOT_FOUND;
  } else if (error == EACCES || error == EPERM || error == ENOEXEC) {
    status.zx = ZX_ERR_ACCESS_DENIED;
  } else {
    status.zx = ZX_ERR_IO;
  }
  return status;
}

Status Refused(const Answer& answer) { return {.zx = answer.status, .what = answer.Sentence()}; }

Result<Made> Make(const Answer& answer) {
  Made made{.process = DownCast<Process>(answer.object), .thread = DownCast<Thread>(answer.first_thread)};
  if (!made.process || !made.thread)
    return Fail(Status{.zx = ZX_ERR_NO_MEMORY, .what = "there is no memory for the process's object"});
  return made;
}

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
  [[nodiscard]] bool Open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return false;
    reader.Reset(fds[0]);
    writer.Reset(fds[1]);
    return true;
  }
};

// What the new process has said, if it has. That its pipe is at its end is not waited for: a child that the program forks
// meanwhile holds the other end as well.
bool TakeReport(const Pipe& reports, SpawnReport& out) {
  pollfd fd{.fd = reports.reader.get(), .events = POLLIN, .revents = 0};
  return poll(&fd, 1, 0) == 1 && read(fd.fd, &out, sizeof(out)) == sizeof(out);
}

// False when the process ended before it said anything.
bool AwaitReport(const Pipe& reports, pid_t pid, SpawnReport& out) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return TakeReport(reports, out);
  std::array<pollfd, 2> fds = {pollfd{.fd = reports.reader.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = process.get(), .events = POLLIN, .revents = 0}};
  while (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  return TakeReport(reports, out);
}

uint32_t ExactTimeouts(bool exact) { return exact ? ring::kTakeUpExactTimeouts : 0; }

Result<Made> TakeUp(Connection& connection, const RefPtr<Job>& job, const SpawnRequest& request, pid_t pid,
                    const Pipe& reports) {
  SpawnReport report;
  // Yama lets it be traced only once it has said by whom.
  if (!AwaitReport(reports, pid, report)) {
    return Fail(Status{.zx = ZX_ERR_IO, .what = "the new process was killed before it could execute anything"});
  }
  const uint32_t options = (request.start ? 0 : ring::kTakeUpParked) | ExactTimeouts(request.exact_timeouts);
  const Answer answer =
      connection.Request(ring::CommandType::kSpawn, {.task = job->koid(), .options = options, .pid = pid});
  if (answer.status != ZX_OK) return Fail(Refused(answer));
  return Make(answer);
}

// Waits until it has executed its program, and that is to be started or runs.
Result<void> AwaitExec(const Made& made, const Plan& plan, const Pipe& reports) {
  const Answer there =
      made.process->connection().Request(ring::CommandType::kAwaitExec, {.task = made.process->koid()});
  SpawnReport report;
  if (there.status == ZX_OK) return {};
  if (TakeReport(reports, report)) return Fail(Failure(plan, report));
  // One that was to run may have come to its end by now.
  if (plan.request.start && there.status == ZX_ERR_BAD_STATE) return {};
  return Fail(Refused(there));
}

}  // namespace

Result<Made> Spawn(const RefPtr<Job>& job, const SpawnRequest& request) {
  const auto connection = Connection::Get();
  if (!connection) return Fail(connection.error());
  (*connection)->Publish(job);
  Pipe go;
  Pipe reports;
  if (!go.Open() || !reports.Open()) return FailErrno("cannot create a pipe");
  const std::string name = request.path;
  const Plan plan{.files = Candidates(name),
                  .request = request,
                  .tracer = (*connection)->tracer_pid(),
                  .go_fd = go.reader.get(),
                  .report_fd = reports.writer.get()};
  const auto pid = ForkOrphan([&] {
    // Its own end of the pipe it waits on would keep it waiting when this program ends.
    close(go.writer.get());
    BecomeProgram(plan);
  });
  if (!pid) return Fail(pid.error());
  auto made = TakeUp(**connection, job, request, *pid, reports);
  (void)!write(go.writer.get(), made ? &kGo : &kGoAway, 1);
  if (!made) return made;
  if (const auto executed = AwaitExec(*made, plan, reports); !executed) return Fail(executed.error());
  made->process->SetName(name.substr(name.rfind('/') + 1));
  made->thread->SetName(name.substr(name.rfind('/') + 1));
  return made;
}

Result<Made> Attach(const RefPtr<Job>& job, pid_t pid, bool exact_timeouts) {
  const auto connection = Connection::Get();
  if (!connection) return Fail(connection.error());
  (*connection)->Publish(job);
  const ring::Command command{.task = job->koid(), .options = ExactTimeouts(exact_timeouts), .pid = pid};
  const Answer answer = (*connection)->Request(ring::CommandType::kAttach, command);
  if (answer.status != ZX_OK) return Fail(Refused(answer));
  auto made = Make(answer);
  if (made) made->process->ReadName();
  return made;
}

}  // namespace zxctl::client
