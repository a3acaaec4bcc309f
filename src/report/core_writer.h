// An ELF core file of a stopped process, written by us: what gdb and eu-stack need to look at the crash later, whatever
// the core limits and the kernel's core_pattern say.
//
// The process is read through an open /proc/PID/mem and /proc/PID/{smaps,maps,pagemap,auxv,stat,cmdline,coredump_filter};
// nothing of it is parsed beyond that. Which memory is in the file follows the process's coredump_filter as the kernel's
// own cores do. Pages of zeros and pages that cannot be read are holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "report/register_set.h"
#include "ring/protocol.h"

namespace zxctl::report {

struct CoreRequest {
  std::string directory;  // must exist
  std::string name;       // the process's name; made safe for a file name
  ring::CrashRecord crash;
  std::span<const ring::ThreadRecord> threads;  // the faulting one first; those without registers are left out
  std::span<const RegisterSet> register_sets;   // what is not passed is not in the core
  int mem_fd = -1;
  int64_t deadline_ns = kNever;
  uint64_t max_bytes = UINT64_MAX;  // of memory contents; holes do not count
};

inline constexpr std::string_view kIncompleteSuffix = ".incomplete";

// Writes "core.<name>.<pid>.<n>" (mode 0600, never over an existing file) into the directory and returns its path. When
// the deadline or max_bytes cuts the memory short, the file is still a valid core whose missing memory reads as zeros,
// and its name ends in kIncompleteSuffix. A core that fails in another way (disk full, directory not writable) leaves no
// file. A 32-bit program's core is a 32-bit one. BAD_STATE when no thread has registers or mem_fd is not open.
[[nodiscard]] Result<std::string> WriteCore(const CoreRequest& request);

}  // namespace zxctl::report
