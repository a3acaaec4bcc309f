// zxtask-report: writes the report of one crash. Started by the tracer with the description of the crash in a ring (fd 3)
// and the program's memory (fd 4); answers when the report is out. Started by zxctl it tells where a process has a name.
#include <fcntl.h>
#include <fmt/format.h>

#include <cstdio>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "options.h"
#include "report/core_writer.h"
#include "report/gather.h"
#include "report/output.h"
#include "report/report_handler.h"
#include "report/worker.h"
#include "ring/channel.h"
#include "symbols.h"

namespace zxctl {
namespace {

constexpr int kRingFd = 3;
constexpr int kMemoryFd = 4;
// How long the tracer may take to describe the crash.
constexpr int64_t kDescriptionNs = 10 * kNsPerSec;

int Complain(const Status& status) {
  fmt::print(stderr, "zxtask-report: {}\n", status.ToString());
  return 1;
}

int OpenMemory() { return fcntl(kMemoryFd, F_GETFD) < 0 ? -1 : kMemoryFd; }

// A share of what is left until the deadline.
int64_t ShareUntil(int64_t deadline_ns, double share) {
  const int64_t now_ns = MonotonicNs();
  if (deadline_ns == 0 || deadline_ns == kNever) return now_ns + kDescriptionNs;
  return now_ns + static_cast<int64_t>(static_cast<double>(deadline_ns - now_ns) * share);
}

void AddCore(const ReportOptions& options, const report::CrashInput& input, report::Report& report) {
  if (options.core_dir.empty()) return;
  const ring::CrashRecord& crash = input.messages.crash;
  const auto path = report::WriteCore({.directory = options.core_dir,
                                       .name = report.process.name,
                                       .crash = crash,
                                       .threads = input.messages.threads,
                                       .register_sets = input.messages.register_sets,
                                       .mem_fd = input.mem_fd,
                                       .deadline_ns = ShareUntil(crash.deadline_ns, 0.7)});
  if (path) {
    report.core_file = *path;
  } else {
    report.notes.limits.push_back("no core was written: " + path.error().ToString());
  }
}

void Answer(ring::Channel& channel, int32_t tid) {
  // A tracer whose ring is full has stopped listening; it has its deadline.
  (void)channel.Send(static_cast<uint32_t>(ring::MessageType::kAnswer), ring::AnswerRecord{.tid = tid});
}

int WriteReport(ReportOptions options, ring::Channel& channel) {
  const int64_t started_ns = MonotonicNs();
  auto messages = report::ReceiveCrash(channel, started_ns + kDescriptionNs);
  if (!messages) return Complain(messages.error());
  const ring::CrashRecord crash = messages->crash;
  const report::CrashInput input =
      report::Gather(std::move(*messages), OpenMemory(), {.with_memory = options.with_memory});
  report::Report report = report::AnalyseInWorker(input, ShareUntil(crash.deadline_ns, 0.5));
  AddCore(options, input, report);
  report.elapsed_ms = static_cast<double>(MonotonicNs() - started_ns) / kNsPerMs;
  options.output.deadline_ns = crash.deadline_ns == 0 ? kNever : crash.deadline_ns;
  const auto delivered = report::Deliver(options.output, report);
  Answer(channel, crash.tid);
  if (delivered.failures.empty()) return 0;
  return delivered.told ? report::kExitToldWhy : 1;
}

int Main(int argc, char* const argv[]) {
  const auto options = ParseReportOptions(argc, argv);
  if (!options) return Complain(options.error());
  if (!options->symbol.empty()) {
    const auto told = TellSymbols(*options);
    return told ? 0 : Complain(told.error());
  }
  auto channel = ring::Channel::Attach(UniqueFd(kRingFd));
  if (!channel) return Complain(channel.error());
  return WriteReport(*options, *channel);
}

}  // namespace
}  // namespace zxctl

int main(int argc, char** argv) { return zxctl::Main(argc, argv); }
