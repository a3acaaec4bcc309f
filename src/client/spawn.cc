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

[[noreturn]] void GiveUp(const Plan& plan, SpawnStep step, int error) {
  Say(plan, {.step = step, .error = error});
  _exit(127);
}

// The three descriptors may be each other's numbers: copies first.
bool PlaceStdio(const std::array<int, 3>& stdio) {
  std::array<int, 3> copies = {-1, -1, -1};
  for (size_t i = 0; i < stdio.size(); ++i) {
    if (stdio[i] >= 0 && (copies[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3)) < 0) return false;
  }
  for (size_t i = 0; i < stdio.size(); ++i) {
    if (copies[i] >= 0 && dup2(copies[i], static_cast<int>(i)) < 0) return false;
  }
  return true;
}

// In the new process: only async-signal-safe calls.
[[noreturn]] void BecomeProgram(const Plan& plan) {
  const SpawnRequest& request = plan.request;
  prctl(PR_SET_PTRACER, static_cast<unsigned long>(plan.tracer), 0, 0, 0);
  if (request.new_group) setpgid(0, 0);
  Say(plan, {.step = SpawnStep::kReady});
  char byte = 0;
  if (read(plan.go_fd, &byte, 1) != 1 || byte != kGo) _exit(127);
  if (!PlaceStdio(request.stdio)) GiveUp(plan, SpawnStep::kStdio, errno);
  if (request.cwd != nullptr && chdir(request.cwd) != 0) GiveUp(plan, SpawnStep::kCwd, errno);
  RestoreCallersSignalMask();
  auto* const argv = const_cast<char* const*>(request.argv);
  auto* const envp = request.envp == nullptr ? environ : const_cast<char* const*>(request.envp);
  int error = ENOENT;
  for (const std::string& file : plan.files) {
    execve(file.c_str(), argv, envp);
    // A file that is there and can't be executed says more than those that are not.
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
  }
  GiveUp(plan, SpawnStep::kExec, error);
}

std::string WhatFailed(const SpawnRequest& request, SpawnStep step) {
  switch (step) {
    case SpawnStep::kStdio:
      return fmt::format("a descriptor of stdio ({}, {}, {}) cannot be used", request.stdio[0], request.stdio[1],
                         request.stdio[2]);
    case SpawnStep::kCwd:
      return fmt::format("cannot change to the folder {}", request.cwd);
    case SpawnStep::kReady:
    case SpawnStep::kExec:
      break;
  }
  return fmt::format("cannot execute {}", request.path);
}

Status Failure(const SpawnRequest& request, const SpawnReport& report) {
  const int error = report.error;
  Status status = Status::FromErrno(WhatFailed(request, report.step), error);
  if (error == ENOENT || error == ENOTDIR) {
    status.zx = ZX_ERR_NOT_FOUND;
  } else if (error == EACCES || error == EPERM || error == ENOEXEC) {
    status.zx = ZX_ERR_ACCESS_DENIED;
  } else {
    status.zx = ZX_ERR_IO;
  }
  return status;
}

Status Refused(const Answer& answer) {
  std::string sentence = answer.Sentence();
  if (sentence.empty()) sentence = "the tracer has died";
  return {.zx = answer.status, .what = std::move(sentence)};
}

Result<Made> Make(const Answer& answer) {
  Made made{.process = DownCast<Process>(answer.object), .thread = DownCast<Thread>(answer.first_thread)};
  if (!made.process || !made.thread) return Fail(Status{.zx = ZX_ERR_NO_MEMORY, .what = "no memory"});
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
    return Fail(Status{.zx = ZX_ERR_IO, .what = "the new process was killed before it was one"});
  }
  const uint32_t options = (request.start ? 0 : ring::kTakeUpParked) | ExactTimeouts(request.exact_timeouts);
  const Answer answer =
      connection.Request(ring::CommandType::kSpawn, {.task = job->koid(), .options = options, .pid = pid});
  if (answer.status != ZX_OK) return Fail(Refused(answer));
  return Make(answer);
}

// Waits until it has executed its program, and that is to be started or runs.
Result<void> AwaitExec(const Made& made, const SpawnRequest& request, const Pipe& reports) {
  const Answer there =
      made.process->connection().Request(ring::CommandType::kAwaitExec, {.task = made.process->koid()});
  SpawnReport report;
  if (there.status == ZX_OK) return {};
  if (TakeReport(reports, report)) return Fail(Failure(request, report));
  // One that was to run may have come to its end by now.
  if (request.start && there.status == ZX_ERR_BAD_STATE) return {};
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
  if (const auto executed = AwaitExec(*made, request, reports); !executed) return Fail(executed.error());
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
