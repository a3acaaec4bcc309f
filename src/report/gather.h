// The facts of a crash, as the tracer's messages and /proc give them. Runs in the report process itself: it reads numbers and
// copies texts, and parses nothing that the program could have made but the kernel's own listings.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "report/model.h"
#include "report/register_set.h"
#include "ring/channel.h"
#include "ring/protocol.h"

namespace zxctl::report {

// All messages of one crash.
struct CrashMessages {
  ring::CrashRecord crash{};
  std::vector<ring::ThreadRecord> threads{};  // the faulting one first
  std::vector<RegisterSet> register_sets{};   // of the same threads, if they were asked for
  std::vector<std::string> program{};         // the command line as it was launched
};

struct GatherOptions {
  bool with_memory = false;
};

// Everything that the analysis starts from.
struct CrashInput {
  CrashMessages messages{};
  Report report{};           // what is known without looking into the program
  std::string maps{};        // /proc/PID/maps
  uint64_t stack_limit = 0;  // of the main thread, in bytes; 0: none
  std::string sender{};      // the name of the process that sent the signal
  std::string perf_map{};    // where a just-in-time compiler's names would be
  std::string debug_path{};  // folders of separate debug files
  // A thread that still shows the process's memory and files under /proc: a leader that has exited shows none.
  int32_t view_tid = 0;
  int mem_fd = -1;
  bool with_memory = false;
};

// The messages up to the end of the crash. IO_DATA_INTEGRITY when one is malformed, TIMED_OUT at the deadline.
[[nodiscard]] Result<CrashMessages> ReceiveCrash(ring::Channel& channel, int64_t deadline_ns);

// Never fails: what cannot be read is missing from the report, and a note says so where it matters.
[[nodiscard]] CrashInput Gather(CrashMessages messages, int mem_fd, const GatherOptions& options);

}  // namespace zxctl::report
