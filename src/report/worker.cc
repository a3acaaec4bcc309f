#include "report/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "report/analysis.h"
#include "report/render_json.h"
#include "report/sandbox.h"
#include "report/signal_names.h"

namespace zxctl::report {
namespace {

constexpr int kExitNoSandbox = 3;
constexpr size_t kPipeBytes = 1 << 20;
// The analysis stops looking this much before it is stopped.
constexpr int64_t kGraceNs = 100 * kNsPerMs;

// ---- the worker's side --------------------------------------------------------------------------------------------

bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t put = write(fd, data, size);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    data += put;
    size -= static_cast<size_t>(put);
  }
  return true;
}

// A report on the pipe: its length as 8 bytes, then JSON.
void SendReport(int fd, const Report& report) {
  const std::string json = RenderJson(report);
  const uint64_t size = json.size();
  if (WriteAll(fd, reinterpret_cast<const char*>(&size), sizeof(size))) WriteAll(fd, json.data(), json.size());
}

// Only the pipe and the program's memory stay open; what a library prints in despair goes nowhere.
void KeepOnly(int pipe_fd, int mem_fd) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd < 3; ++fd) dup2(null.get(), fd);
  const int low = std::min(pipe_fd, mem_fd), high = std::max(pipe_fd, mem_fd);
  if (low > 3) close_range(3, static_cast<unsigned>(low) - 1, 0);
  if (high > low + 1) close_range(static_cast<unsigned>(std::max(low + 1, 3)), static_cast<unsigned>(high) - 1, 0);
  close_range(static_cast<unsigned>(high) + 1, ~0u, 0);
}

void BecomeFirstVictim() {
  const UniqueFd fd(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (fd.valid()) (void)!write(fd.get(), "1000", 4);
}

[[noreturn]] void WorkerMain(const CrashInput& input, int pipe_fd, int64_t deadline_ns, const Work& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  BecomeFirstVictim();
  KeepOnly(pipe_fd, input.mem_fd);
  const int64_t seconds = (deadline_ns - MonotonicNs()) / kNsPerSec + 2;
  if (!EnterSandbox({.cpu_seconds = static_cast<uint64_t>(std::max<int64_t>(seconds, 1))})) _exit(kExitNoSandbox);
  work(input, deadline_ns - kGraceNs, [pipe_fd](const Report& report) { SendReport(pipe_fd, report); });
  _exit(0);
}

// ---- the parent's side --------------------------------------------------------------------------------------------

// Takes reports from a stream of bytes; the last whole one counts.
class ReportStream {
 public:
  // False when the worker writes nonsense.
  bool Take(const char* data, size_t size) {
    buffer_.append(data, size);
    uint64_t length = 0;
    while (buffer_.size() >= sizeof(length)) {
      std::memcpy(&length, buffer_.data(), sizeof(length));
      if (length > kMaxJsonBytes) return false;
      if (buffer_.size() < sizeof(length) + length) return true;
      last_.assign(buffer_, sizeof(length), length);
      buffer_.erase(0, sizeof(length) + length);
    }
    return true;
  }

  [[nodiscard]] const std::string& last() const { return last_; }

 private:
  std::string buffer_;
  std::string last_;
};

// Reads until the worker closes the pipe; false when time is up or what comes is nonsense.
bool ReadReports(int fd, int64_t deadline_ns, ReportStream& stream) {
  std::string chunk(kPipeBytes, '\0');
  for (;;) {
    const int64_t left_ns = deadline_ns - MonotonicNs();
    if (left_ns <= 0) return false;
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const timespec timeout{.tv_sec = left_ns / kNsPerSec, .tv_nsec = left_ns % kNsPerSec};
    if (ppoll(&waiting, 1, &timeout, nullptr) <= 0) continue;
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    if (!stream.Take(chunk.data(), static_cast<size_t>(got))) return false;
  }
}

int Reap(pid_t worker) {
  int status = 0;
  while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// What the report lacks because of how the worker ended; empty when it ended well.
std::string DescribeEnd(bool in_time, int status) {
  if (!in_time) return "the analysis took too long, or made no sense, and was stopped";
  if (WIFSIGNALED(status)) {
    return fmt::format("the analysis of the program's files crashed ({})", SignalName(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == kExitNoSandbox) return "the analysis was left out: its sandbox could not be set up";
  return WEXITSTATUS(status) == 0 ? std::string()
                                  : fmt::format("the analysis ended with status {}", WEXITSTATUS(status));
}

// The worker has read hostile data; the facts that the parent knows better stay the parent's.
Report Merge(const Report& known, const std::string& json) {
  if (json.empty()) return known;
  auto found = FromJson(json);
  if (!found) {
    Report report = known;
    report.notes.limits.push_back("the analysis gave no report that could be read: " + found.error().what);
    return report;
  }
  Report report = std::move(*found);
  report.time = known.time;
  report.machine = known.machine;
  report.process = known.process;
  report.environment = known.environment;
  report.exception.reason = known.exception.reason;
  report.exception.type = known.exception.type;
  report.exception.signal = known.exception.signal;
  report.exception.first = known.exception.first;
  report.exception.consequence = known.exception.consequence;
  return report;
}

}  // namespace

Report AnalyseInWorker(const CrashInput& input, int64_t deadline_ns) {
  return RunInWorker(input, deadline_ns, [](const CrashInput& crash, int64_t end_ns, const Emit& emit) {
    Analysis(crash, end_ns, emit).Run();
  });
}

Report RunInWorker(const CrashInput& input, int64_t deadline_ns, const Work& work) {
  std::array<int, 2> ends{};
  Report failed = input.report;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    failed.notes.limits.push_back("the analysis was left out: no pipe for its process");
    return failed;
  }
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  fcntl(write_end.get(), F_SETPIPE_SZ, kPipeBytes);
  const pid_t worker = fork();
  if (worker == 0) WorkerMain(input, write_end.get(), deadline_ns, work);
  write_end.Reset();
  if (worker < 0) {
    failed.notes.limits.push_back("the analysis was left out: no process for it");
    return failed;
  }
  ReportStream stream;
  const bool in_time = ReadReports(read_end.get(), deadline_ns, stream);
  if (!in_time) kill(worker, SIGKILL);
  const std::string end = DescribeEnd(in_time, Reap(worker));
  Report report = Merge(input.report, stream.last());
  if (!end.empty()) report.notes.limits.push_back(end);
  return report;
}

}  // namespace zxctl::report
