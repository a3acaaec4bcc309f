#include "supervisor/probe_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "supervisor/linux_registers.h"

namespace zxctl::probe {
namespace {

// More stops than any libc makes between two handshakes.
constexpr int kMaxSyscallStops = 400;

int StopStatus(int signal, int event) { return event << 16 | signal << 8 | 0x7F; }

std::string DescribeStatus(int status) {
  if (WIFEXITED(status)) return fmt::format("exit with {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return fmt::format("death by signal {}", WTERMSIG(status));
  return fmt::format("stop with signal {} event {}", WSTOPSIG(status), status >> 16);
}

void SendAnswer(int fd, const Answer& answer) {
  const auto outcome = static_cast<char>(answer.outcome);
  std::string message(1, outcome);
  message += answer.detail.substr(0, PIPE_BUF - 1);
  (void)!write(fd, message.data(), message.size());
}

[[noreturn]] void RunBody(const Body& body, int answer_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0);
  SendAnswer(answer_fd, body());
  _exit(0);
}

Answer ReceiveAnswer(int fd, int64_t limit_ns) {
  pollfd wanted = {.fd = fd, .events = POLLIN, .revents = 0};
  const int ready = poll(&wanted, 1, static_cast<int>(limit_ns / kNsPerMs));
  if (ready <= 0) return {Outcome::kMissing, "the test did not come to an end in time"};
  char message[PIPE_BUF];
  const ssize_t size = read(fd, message, sizeof(message));
  if (size <= 0) return {Outcome::kMissing, "the process that tests it died"};
  return {static_cast<Outcome>(message[0]), std::string(message + 1, static_cast<size_t>(size - 1))};
}

// While it lives, orphans of our children become ours, so that they can be reaped: init may be slow at it, or missing.
class ScopedSubreaper {
 public:
  ScopedSubreaper() {
    prctl(PR_GET_CHILD_SUBREAPER, &saved_);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  ScopedSubreaper(const ScopedSubreaper&) = delete;
  ScopedSubreaper& operator=(const ScopedSubreaper&) = delete;
  ~ScopedSubreaper() { prctl(PR_SET_CHILD_SUBREAPER, saved_); }

 private:
  int saved_ = 0;
};

void EndGroup(pid_t group) {
  kill(-group, SIGKILL);
  while (waitpid(-group, nullptr, __WALL) > 0 || errno == EINTR) {
  }
}

}  // namespace

Answer RunIsolated(const Body& body, int64_t limit_ns) {
  int answer[2] = {-1, -1};
  if (pipe2(answer, O_CLOEXEC) != 0) return {Outcome::kMissing, "no pipe"};
  const ScopedSubreaper subreaper;
  const UniqueFd read_end(answer[0]);
  UniqueFd write_end(answer[1]);
  const pid_t child = fork();
  if (child == 0) RunBody(body, write_end.get());
  if (child < 0) return {Outcome::kMissing, fmt::format("no process can be started: {}", strerrordesc_np(errno))};
  setpgid(child, child);
  write_end.Reset();
  Answer result = ReceiveAnswer(read_end.get(), limit_ns);
  EndGroup(child);
  return result;
}

Gate::Gate() : fd_(eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)) {}

void Gate::Open() const {
  const uint64_t one = 1;
  (void)!write(fd_.get(), &one, sizeof(one));
}

void Gate::Pass() const {
  uint64_t value = 0;
  while (read(fd_.get(), &value, sizeof(value)) < 0 && errno == EINTR) {
  }
}

NumberPipe::NumberPipe() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  read_.Reset(ends[0]);
  write_.Reset(ends[1]);
}

void NumberPipe::Send(int number) const { (void)!write(write_.get(), &number, sizeof(number)); }

int NumberPipe::Receive() const {
  int number = -1;
  return read(read_.get(), &number, sizeof(number)) == sizeof(number) ? number : -1;
}

pid_t Fork(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  _exit(work());
}

Tracee& Tracee::FailWith(std::string failure) {
  if (ok()) failure_ = std::move(failure);
  return *this;
}

Tracee& Tracee::Check(bool success, const char* operation) {
  if (success) return *this;
  return FailWith(fmt::format("{}: {}", operation, strerrordesc_np(errno)));
}

Tracee& Tracee::Require(bool condition, const std::string& complaint) {
  return condition ? *this : FailWith(complaint);
}

Tracee& Tracee::Seize(uint64_t options) {
  return ok() ? Check(ptrace(PTRACE_SEIZE, tid_, nullptr, options) == 0, "PTRACE_SEIZE") : *this;
}

Tracee& Tracee::Resume(int request, int signal) {
  if (!ok()) return *this;
  const auto wanted = static_cast<__ptrace_request>(request);
  return Check(ptrace(wanted, tid_, nullptr, static_cast<intptr_t>(signal)) == 0, "resuming");
}

Tracee& Tracee::Interrupt() {
  return ok() ? Check(ptrace(PTRACE_INTERRUPT, tid_, nullptr, nullptr) == 0, "PTRACE_INTERRUPT") : *this;
}

Tracee& Tracee::ExpectStatus(int expected) {
  if (!ok()) return *this;
  int status = 0;
  if (waitpid(tid_, &status, __WALL) != tid_) return Check(false, "waiting");
  if (status == expected) return *this;
  return FailWith(fmt::format("expected {}, saw {}", DescribeStatus(expected), DescribeStatus(status)));
}

Tracee& Tracee::ExpectStop(int signal, int event) { return ExpectStatus(StopStatus(signal, event)); }
Tracee& Tracee::ExpectExit(int code) { return ExpectStatus(code << 8); }
Tracee& Tracee::ExpectDeath(int signal) { return ExpectStatus(signal); }

Tracee& Tracee::ExpectSyscallEntry(uint64_t number) {
  if (!ok()) return *this;
  __ptrace_syscall_info info = {};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, tid_, sizeof(info), &info) <= 0) return Check(false, "PTRACE_GET_SYSCALL_INFO");
  const bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == number;
  return entry ? *this : FailWith(fmt::format("the stop is not the entry of system call {}", number));
}

Tracee& Tracee::RunToSyscall(uint64_t number) {
  for (int stops = 0; ok() && stops < kMaxSyscallStops; ++stops) {
    Resume(PTRACE_SYSCALL).ExpectStop(SIGTRAP | 0x80);
    __ptrace_syscall_info info = {};
    if (!ok() || ptrace(PTRACE_GET_SYSCALL_INFO, tid_, sizeof(info), &info) <= 0) break;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == number) return *this;
  }
  return FailWith(fmt::format("system call {} never came", number));
}

Tracee& Tracee::ReadRegisters(arch::Registers& registers) {
  if (!ok()) return *this;
  errno = zxctl::ReadRegisters(tid_, registers);
  if (errno == 0 && arch::EndedWithEintr(registers)) errno = FindFirstArgument(tid_, registers);
  return Check(errno == 0, "reading the registers");
}

Tracee& Tracee::WriteRegisters(const arch::Registers& registers) {
  if (!ok()) return *this;
  errno = zxctl::WriteRegisters(tid_, registers);
  return Check(errno == 0, "writing the registers");
}

Tracee& Tracee::ReadEventMessage(uint64_t& message) {
  return ok() ? Check(ptrace(PTRACE_GETEVENTMSG, tid_, nullptr, &message) == 0, "PTRACE_GETEVENTMSG") : *this;
}

Answer Tracee::Verdict(const std::string& seen) const {
  return ok() ? Answer{Outcome::kOk, seen} : Answer{Outcome::kMissing, failure_};
}

}  // namespace zxctl::probe
