// The options of `zxctl guest run`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace zxctl {

struct GuestRunOptions {
  std::string image;
  std::string memory = "64M";
  uint32_t vcpus = 1;
  std::vector<std::string> traps;  // KIND:ADDRESS[:SIZE]
  std::string load = "0x100000";   // of a flat binary
  std::string serial = "0x3f8";    // an I/O port, or "none"
  std::string debug_exit = "0xf4";
  std::string trace;  // text, json; empty: none
  int64_t timeout_ns = 0;
};

void DeclareGuestRun(CLI::App& app, GuestRunOptions& options);

}  // namespace zxctl
