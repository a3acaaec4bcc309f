// Starting the tracer so that the program sees nothing of it: no child, no descriptor, no change of signals.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace zxctl {

// The tracer's and the reporter's program file: beside zxctl, or in ../libexec/zxctl. NOT_FOUND says where it was looked
// for.
[[nodiscard]] Result<std::string> FindHelper(const std::string& name);

// Executes `arguments` in a process of its own session that is not a child of this one, with the descriptor `ring_fd` and
// nothing else but /dev/null, in the root directory. Returns when it has been executed.
[[nodiscard]] Result<void> StartDetached(const std::vector<std::string>& arguments, int ring_fd);

}  // namespace zxctl
