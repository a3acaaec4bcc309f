// Starting the tracer so that a program sees nothing of it: no child, no descriptor, no change of signals.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace zxctl {

// The program file of one of zxctl's helpers, as zxtask-tracer: in $ZXTASK_TRACER_DIR, beside the program or the library that this code is
// in, or where an installation has it. NOT_FOUND says where it was looked for.
[[nodiscard]] Result<std::string> FindHelper(const std::string& name);

// Executes `arguments` in a process of its own session that is not a child of this one, with the descriptor `ring_fd` and
// nothing else but /dev/null, in the root directory. Returns when it has been executed.
[[nodiscard]] Result<void> StartDetached(const std::vector<std::string>& arguments, int ring_fd);

// The same for a program that goes on as it is, with threads and children of its own: it notices nothing. `fds` stand from 3
// on there. Returns at once; an errno can be read from the descriptor if the program could not be executed.
[[nodiscard]] Result<UniqueFd> StartOrphan(const std::vector<std::string>& arguments, std::span<const int> fds);

}  // namespace zxctl
