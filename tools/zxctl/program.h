// Finding and executing the program.
#pragma once

#include <string>
#include <vector>

namespace zxctl {

struct ProgramError {
  int exit_status = 0;  // 126 or 127
  std::string message;  // what failed and what would mend it
};

// The file that `name` stands for: itself when it holds a '/', otherwise the first executable in PATH. On failure `error`
// is set and the path is empty.
[[nodiscard]] std::string FindProgram(const std::string& name, ProgramError& error);

// Replaces this process; returns only on failure.
[[nodiscard]] ProgramError ExecuteProgram(const std::string& path, const std::vector<std::string>& arguments);

}  // namespace zxctl
