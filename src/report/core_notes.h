// The PT_NOTE segment of a core file: threads and their registers, the process, the signal, the mapped files. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "report/core_regions.h"
#include "report/core_writer.h"

namespace zxctl::report {

// What /proc says about the process; what could not be read stays zero or empty.
struct CoreProcess {
  int32_t parent_pid = 0;
  int32_t group = 0;
  int32_t session = 0;
  char state = 'R';
  int8_t nice = 0;
  uint64_t flags = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string name;          // the command name
  std::string command_line;  // words with NUL behind each
  std::string auxv;          // the bytes of /proc/PID/auxv
};

// The first thread whose registers are known; null if there is none.
[[nodiscard]] const ring::ThreadRecord* FirstWithRegisters(const CoreRequest& request);
// What kind of core it is: that of the code which that thread runs.
[[nodiscard]] arch::Bits BitsOf(const CoreRequest& request);

// From the texts of /proc/PID/stat and /proc/PID/status.
[[nodiscard]] CoreProcess ParseCoreProcess(const std::string& stat, const std::string& status);

// All notes, in the order in which the kernel writes them.
[[nodiscard]] std::vector<std::byte> BuildCoreNotes(const CoreRequest& request, const CoreProcess& process,
                                                    std::span<const CoreRegion> regions, uint64_t page_bytes);

}  // namespace zxctl::report
