// Where people look for a report: the standard error that the program was started with. The tracer holds none of the
// program's descriptors, so it borrows one when there is something to say.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "base/unique_fd.h"

namespace zxctl::report {

struct FileIdentity {
  uint64_t dev = 0;
  uint64_t ino = 0;
};

// A duplicate of the descriptor 2 that is `wanted`, from the first of `tids` (threads of any process) that still has it;
// otherwise the descriptor 2 of the first of `tids`, unless it may be a file of data or `wanted` is none; invalid when there is neither. Needs ptrace rights over them.
[[nodiscard]] UniqueFd BorrowStandardError(FileIdentity wanted, std::span<const pid_t> tids);

// Writes what fits at once, without ever waiting for a reader.
void SayWithoutWaiting(int fd, std::string_view text);

}  // namespace zxctl::report
