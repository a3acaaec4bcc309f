#include "support/crash_capture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>

#include "base/clock.h"
#include "base/proc_file.h"
#include "base/unique_fd.h"
#include "exceptions/classify.h"
#include "report/render_json.h"
#include "ring/channel.h"
#include "ring/protocol.h"
#include "supervisor/linux_registers.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

constexpr size_t kRingBytes = 4 << 20;

struct Tracee {
  pid_t pid = -1;
  UniqueFd input;   // our end of its standard input
  UniqueFd output;  // our end of its standard output
};

arch::Registers RegistersOf(pid_t tid) {
  arch::Registers registers{};
  (void)ReadRegisters(tid, registers);
  return registers;
}

SignalRecord ReadSignal(pid_t tid) {
  siginfo_t info{};
  ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info);
  SignalRecord record{.signo = info.si_signo, .code = info.si_code, .error = info.si_errno};
  if (info.si_code <= 0) {
    record.pid = info.si_pid;
    record.uid = static_cast<int32_t>(info.si_uid);
  } else if (info.si_signo == SIGSYS) {
    record.address = reinterpret_cast<uint64_t>(info.si_call_addr);
    record.syscall = info.si_syscall;
  } else {
    record.address = reinterpret_cast<uint64_t>(info.si_addr);
  }
  return record;
}

bool IsCaught(pid_t tid, int signo) {
  const auto status = ReadFile(fmt::format("/proc/{}/status", tid));
  const auto caught = status ? StatusField(*status, "SigCgt") : std::nullopt;
  const auto blocked = status ? StatusField(*status, "SigBlk") : std::nullopt;
  if (!caught || !blocked) return false;
  const uint64_t bit = uint64_t{1} << (signo - 1);
  return (std::stoull(std::string(*caught), nullptr, 16) & ~std::stoull(std::string(*blocked), nullptr, 16) & bit) != 0;
}

Tracee Start(const Argv& argv) {
  std::array<int, 2> in{}, out{}, go{};
  if (pipe2(in.data(), O_CLOEXEC) + pipe2(out.data(), O_CLOEXEC) + pipe2(go.data(), O_CLOEXEC) != 0) return {};
  const pid_t pid = fork();
  if (pid == 0) {
    char c;
    dup2(in[0], 0);
    dup2(out[1], 1);
    if (read(go[0], &c, 1) != 1) _exit(125);
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(127);
  }
  ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
  close(in[0]);
  close(out[1]);
  close(go[0]);
  (void)!write(go[1], "g", 1);
  close(go[1]);
  return {.pid = pid, .input = UniqueFd(in[1]), .output = UniqueFd(out[0])};
}

std::vector<pid_t> ThreadsOf(pid_t pid) {
  std::vector<pid_t> tids;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    tids.push_back(std::stoi(entry.path().filename()));
  }
  return tids;
}

// Stops the other threads and reads their registers; `stopped` is in a stop already.
std::vector<ring::ThreadRecord> StopThreads(pid_t pid, pid_t stopped) {
  std::vector<ring::ThreadRecord> records = {{.tid = stopped, .has_registers = 1, .registers = RegistersOf(stopped)}};
  for (const pid_t tid : ThreadsOf(pid)) {
    if (tid == stopped) continue;
    ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    int status = 0;
    const bool is_stopped = waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
    records.push_back({.tid = tid, .has_registers = is_stopped ? 1 : 0});
    if (is_stopped) records.back().registers = RegistersOf(tid);
  }
  std::sort(records.begin() + 1, records.end(), [](const auto& a, const auto& b) { return a.tid < b.tid; });
  return records;
}

void FillRing(ring::Channel& channel, const ring::CrashRecord& crash, const std::vector<ring::ThreadRecord>& threads) {
  bool sent = channel.Send(static_cast<uint32_t>(ring::MessageType::kCrash), crash);
  for (const auto& thread : threads) {
    sent = sent && channel.Send(static_cast<uint32_t>(ring::MessageType::kThread), thread);
  }
  sent = sent && channel.SendBytes(static_cast<uint32_t>(ring::MessageType::kEndOfCrash), {});
  if (!sent) std::abort();
}

[[noreturn]] void ExecReporter(const CaptureOptions& options, int ring_fd, int mem_fd, int err_fd) {
  const std::array<int, 3> high = {fcntl(ring_fd, F_DUPFD, 10), fcntl(mem_fd, F_DUPFD, 10), fcntl(err_fd, F_DUPFD, 10)};
  dup2(high[0], 3);
  dup2(high[1], 4);
  dup2(high[2], 2);
  close_range(5, ~0u, 0);
  std::vector<char*> words = {const_cast<char*>(ZX_TEST_REPORTER)};
  for (const std::string& word : options.reporter_args) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  for (const std::string& word : options.reporter_env) putenv(const_cast<char*>(word.c_str()));
  execv(words[0], words.data());
  _exit(127);
}

std::string ReadWhole(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  text.resize(static_cast<size_t>(std::max<ssize_t>(pread(fd, text.data(), text.size(), 0), 0)));
  return text;
}

Captured RunReporter(const CaptureOptions& options, ring::CrashRecord crash,
                     const std::vector<ring::ThreadRecord>& threads) {
  auto channel = ring::Channel::Create(kRingBytes);
  const UniqueFd memory(open(fmt::format("/proc/{}/mem", crash.pid).c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd error(memfd_create("reporter-stderr", MFD_CLOEXEC));
  const int64_t started_ns = MonotonicNs();
  crash.deadline_ns = started_ns + options.budget_ns;
  crash.thread_count = threads.size();
  FillRing(*channel, crash, threads);
  const pid_t reporter = fork();
  if (reporter == 0) ExecReporter(options, channel->fd(), memory.get(), error.get());
  Captured captured;
  waitpid(reporter, &captured.reporter_status, 0);
  captured.reporter_ms = static_cast<double>(MonotonicNs() - started_ns) / kNsPerMs;
  captured.output = ReadWhole(error.get());
  if (auto parsed = report::FromJson(captured.output)) captured.report = std::move(*parsed);
  return captured;
}

// Follows a program to its crash.
class Follower {
 public:
  Follower(Tracee tracee, const CaptureOptions& options) : tracee_(std::move(tracee)), options_(options) {}

  Captured Run() {
    if (options_.hang) return ReportHang();
    if (options_.while_waiting) LetGo();
    for (;;) {
      int status = 0;
      const pid_t tid = waitpid(-1, &status, __WALL);
      if (tid < 0) return {};
      if (!WIFSTOPPED(status)) {
        if (tid == tracee_.pid) return {};
        continue;
      }
      if (auto captured = OnStop(tid, status)) return *captured;
    }
  }

 private:
  void LetGo() {
    std::array<char, 6> ready;
    // The exec and the first steps of the program are not stops that are waited for; nothing else can stop it yet.
    for (size_t got = 0; got < ready.size();) {
      const ssize_t n = read(tracee_.output.get(), ready.data() + got, ready.size() - got);
      if (n <= 0) return;
      got += static_cast<size_t>(n);
    }
    options_.while_waiting();
    (void)!write(tracee_.input.get(), "g", 1);
  }

  std::optional<Captured> OnStop(pid_t tid, int status) {
    const int signo = WSTOPSIG(status);
    const bool is_event = status >> 16 != 0;
    if (is_event || !IsFatal(tid)) {
      ptrace(PTRACE_CONT, tid, nullptr, is_event ? 0 : signo);
      return std::nullopt;
    }
    if (IsCaught(tid, signo)) {
      if (IsSynchronousFault(ReadSignal(tid))) {
        first_ = ReadSignal(tid);
        first_registers_ = RegistersOf(tid);
      }
      ptrace(PTRACE_CONT, tid, nullptr, signo);
      return std::nullopt;
    }
    return Report(tid);
  }

  static bool IsFatal(pid_t tid) { return ClassifySignal(ReadSignal(tid)).has_value(); }

  Captured Report(pid_t tid) {
    ring::CrashRecord crash{.pid = tracee_.pid, .tid = tid, .signal = ReadSignal(tid)};
    // The same signal again, sent by the program or because its handler could not be pushed, ends the first fault.
    const bool repeats =
        crash.signal.signo == first_.signo && (crash.signal.code <= 0 || crash.signal.code == SI_KERNEL);
    if (repeats) {
      crash.first = first_;
      crash.first_registers = first_registers_;
    }
    crash.type = ClassifySignal(repeats ? crash.first : crash.signal).value_or(ExceptionType::kGeneral);
    return RunReporter(options_, crash, StopThreads(tracee_.pid, tid));
  }

  static bool IsInPause(pid_t pid) {
    const auto call = BlockedCallOf(pid);
#ifdef SYS_pause
    if (call == SYS_pause) return true;
#endif
    // Where there is no such call, this is what a C library makes of it.
    return call == SYS_ppoll;
  }

  Captured ReportHang() {
    const pid_t pid = tracee_.pid;
    while (!IsInPause(pid)) sched_yield();
    ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
    int status = 0;
    waitpid(pid, &status, __WALL);
    const ring::CrashRecord crash{.pid = pid, .tid = pid, .reason = ring::CrashReason::kHang};
    return RunReporter(options_, crash, StopThreads(pid, pid));
  }

  Tracee tracee_;
  const CaptureOptions& options_;
  SignalRecord first_;
  arch::Registers first_registers_{};
};

}  // namespace

Captured CaptureCrash(const Argv& argv, const CaptureOptions& options) {
  Tracee tracee = Start(argv);
  const pid_t pid = tracee.pid;
  Captured captured = Follower(std::move(tracee), options).Run();
  siginfo_t info{};
  // Once it has been waited for, its pid may be somebody else's.
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0) {
    kill(pid, SIGKILL);
  }
  int status = 0;
  while (waitpid(-1, &status, __WALL) > 0) {
  }
  return captured;
}

}  // namespace zxctl::test
