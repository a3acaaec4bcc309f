// Starting processes that are not children of this one, without anything that the program around can notice: no SIGCHLD,
// nothing for its waitpid(), no handler of its own that runs in between.
#pragma once

#include <sys/types.h>

#include <functional>

#include "base/status.h"

namespace zxctl::client {

// Runs `body` in a new process that belongs to init, or to the nearest subreaper above this process. It has one thread, all
// signals blocked, and may make async-signal-safe calls only; it ends with _exit(1) if `body` returns. Gives its pid.
[[nodiscard]] Result<pid_t> ForkOrphan(const std::function<void()>& body);

// The signal mask of the thread that called ForkOrphan(), for `body` to restore.
void RestoreCallersSignalMask();

}  // namespace zxctl::client
