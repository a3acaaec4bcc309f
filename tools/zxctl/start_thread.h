// `zxctl start-thread PID --pc … --sp …`: a new thread in a process that runs.
#pragma once

#include <sys/types.h>

#include <string>

namespace CLI {
class App;
}

namespace zxctl {

// Values as they were typed: numbers or names.
struct StartThreadOptions {
  pid_t task = 0;
  std::string pc;
  std::string sp;
  std::string arg1 = "0";
  std::string arg2 = "0";
  std::string tp = "0";
  std::string abi_reg = "0";
  bool unchecked = false;
};

void DeclareStartThread(CLI::App& app, StartThreadOptions& options);

// Starts the thread, prints its id, and lets the process go. 0, or 1 when that failed.
[[nodiscard]] int StartThread(const StartThreadOptions& options);

}  // namespace zxctl
