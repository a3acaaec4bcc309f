// Probes of system calls and of /proc. Each is run in a process of its own (RunIsolated).
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/proc_file.h"
#include "supervisor/kernel_probes.h"

namespace zxctl::probe {
namespace {

constexpr int kManyTracees = 500;
constexpr int kWaitBatches = 5;
constexpr int kWaitsPerBatch = 100;

Answer Missing(const char* what) { return {Outcome::kMissing, fmt::format("{}: {}", what, strerrordesc_np(errno))}; }

// The first range of a maps file that a file stands behind: "5581…-5582…".
std::string FirstFileRange(std::string_view maps) {
  while (!maps.empty()) {
    const size_t end = std::min(maps.find('\n'), maps.size());
    const std::string_view line = maps.substr(0, end);
    maps.remove_prefix(std::min(end + 1, maps.size()));
    if (line.find(" /") != std::string_view::npos) return std::string(line.substr(0, line.find(' ')));
  }
  return "";
}

struct ThreadArguments {
  const NumberPipe* tids;
  const Gate* end;
};

void* ReportAndWait(void* argument) {
  const auto* arguments = static_cast<const ThreadArguments*>(argument);
  arguments->tids->Send(gettid());
  arguments->end->Pass();
  return nullptr;
}

// Starts up to `count` threads that send their tids, then -1, and waits.
int RunManyThreads(const NumberPipe& tids, const Gate& end, int count) {
  ThreadArguments arguments = {&tids, &end};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  std::vector<pthread_t> threads(static_cast<size_t>(count));
  const auto start = [&](pthread_t& thread) {
    return pthread_create(&thread, &attributes, ReportAndWait, &arguments) == 0;
  };
  const auto started = std::find_if_not(threads.begin(), threads.end(), start);
  if (started != threads.end()) tids.Send(-1);
  end.Pass();
  return 0;
}

// Seizes the threads as they report themselves; returns how many are traced.
int SeizeThreads(const NumberPipe& tids, int count) {
  int traced = 0;
  for (int tid = 0; traced < count && (tid = tids.Receive()) > 0; ++traced) {
    if (!Tracee(tid).Seize(PTRACE_O_EXITKILL).ok()) return traced;
  }
  return traced;
}

// The cost of a waitpid(-1) that finds nothing: the fastest batch, so that other load hardly matters.
int64_t WaitNs() {
  int64_t best = kNever;
  for (int batch = 0; batch < kWaitBatches; ++batch) {
    const int64_t start = MonotonicNs();
    for (int i = 0; i < kWaitsPerBatch; ++i) waitpid(-1, nullptr, __WALL | WNOHANG);
    best = std::min(best, (MonotonicNs() - start) / kWaitsPerBatch);
  }
  return best;
}

volatile long g_foreign_value = 0;

}  // namespace

Answer PidfdGetfd() {
  const Gate end;
  const NumberPipe number;
  const pid_t child = Fork([&] { return number.Send(eventfd(42, EFD_CLOEXEC)), end.Pass(), 0; });
  const int theirs = number.Receive();
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd.valid()) return Missing("pidfd_open");
  const UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), theirs, 0)));
  if (!copy.valid()) return Missing("pidfd_getfd");
  uint64_t value = 0;
  if (read(copy.get(), &value, sizeof(value)) != sizeof(value) || value != 42) return Missing("reading the copy");
  return {Outcome::kOk, "a descriptor of another process can be duplicated"};
}

Answer ReadsForeignMemory() {
  const Gate ready, end;
  const pid_t child = Fork([&] { return g_foreign_value = 4711, ready.Open(), end.Pass(), 0; });
  ready.Pass();
  long value = 0;
  const iovec local = {&value, sizeof(value)};
  const iovec remote = {const_cast<long*>(&g_foreign_value), sizeof(value)};
  if (process_vm_readv(child, &local, 1, &remote, 1, 0) != sizeof(value)) return Missing("process_vm_readv");
  if (value != 4711) return {Outcome::kMissing, "process_vm_readv read something else"};
  return {Outcome::kOk, "memory of another process can be read"};
}

Answer TgkillTellsThreads() {
  const Gate end;
  const NumberPipe tids;
  const pid_t child = Fork([&] { return RunManyThreads(tids, end, 1); });
  const int tid = tids.Receive();
  if (tid <= 0) return {Outcome::kMissing, "no thread could be started"};
  if (tgkill(child, tid, 0) != 0) return Missing("tgkill of the thread");
  if (tgkill(tid, tid, 0) == 0) return {Outcome::kMissing, "a thread passes for a process"};
  return {Outcome::kOk, "ESRCH for a thread that is no leader"};
}

Answer MapFilesOpen() {
  const std::string range = FirstFileRange(ReadFile("/proc/self/maps").value_or(""));
  if (range.empty()) return {Outcome::kMissing, "no mapped file found"};
  const UniqueFd fd(open(("/proc/self/map_files/" + range).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Missing("opening one");
  return {Outcome::kOk, "the file behind a mapping can be opened"};
}

Answer WaitCost() {
  const Gate end;
  const NumberPipe tids;
  const pid_t child = Fork([&] { return RunManyThreads(tids, end, kManyTracees); });
  if (!Tracee(child).Seize(PTRACE_O_EXITKILL).ok()) return {Outcome::kMissing, "PTRACE_SEIZE is refused"};
  const int64_t one = WaitNs();
  const int traced = 1 + SeizeThreads(tids, kManyTracees);
  return {Outcome::kFigure, fmt::format("{:.2f} µs with 1, {:.2f} µs with {}", static_cast<double>(one) / kNsPerUs,
                                        static_cast<double>(WaitNs()) / kNsPerUs, traced)};
}

}  // namespace zxctl::probe
