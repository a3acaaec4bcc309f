// What --serial, --debug-exit and --trap ask for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "options.h"

namespace zxctl {

// Keys of the traps that have a device; those of --trap have theirs from kFirstPlainKey on.
inline constexpr uint64_t kSerialKey = 1;
inline constexpr uint64_t kExitKey = 2;
inline constexpr uint64_t kFirstPlainKey = 100;

struct TrapRequest {
  std::string option;  // as it was given: "--trap io:0x80"
  uint32_t kind = 0;   // ZX_GUEST_TRAP_*
  uint64_t address = 0;
  uint64_t size = 1;
  uint64_t key = 0;
};

// None of them overlaps another, and ports are ports. The errors name the option and what mends it.
[[nodiscard]] Result<std::vector<TrapRequest>> ReadTrapOptions(const GuestRunOptions& options);

}  // namespace zxctl
