// Machines whose kernels number system calls by the generic table (asm-generic/unistd.h) and run an interrupted call again
// by moving pc back to its instruction: what their folders share.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "machine_types.h"

namespace zxctl::arch::generic {

inline constexpr int64_t kRestartSyscall = 128;
// No table of calls is as long as this.
inline constexpr uint64_t kCallLimit = 1024;

// Where pc stands, as far as system calls go.
enum class CallPlace : uint8_t {
  kNone,    // in other code
  kInside,  // the kernel says that a call is being made
  kAfter,   // behind the instruction of a call: the result register has what the call returned
  kBefore,  // at the instruction: it will be run, or run again with its first argument back in place
};

// The instruction of a system call, 4 bytes on all of these machines.
using Instruction = std::array<uint8_t, 4>;

// `code` is what stands around pc, beginning `before` bytes before it.
[[nodiscard]] CallPlace FindCallPlace(std::span<const uint8_t> code, size_t before, const Instruction& call);

// The call on the list of those that are safe to run again after -EINTR.
[[nodiscard]] std::optional<RestartableCall> FindRestartable(uint64_t number, const CallArguments& arguments);
// Where a call that begins anew with the rest of its time has that rest.
[[nodiscard]] std::optional<TimeLeft> FindTimeLeft(uint64_t number, const CallArguments& arguments);
[[nodiscard]] bool MakesThread(int64_t number);
// With what the kernel interrupted a call that it runs again as `number`: kRestartSyscall says so itself. Of others it is the
// code that such a call has, which says whether a handler ends it: those that no program expects to end with EINTR run again
// whatever comes. So does a call that a thread has not begun at all, which shows in the same way.
[[nodiscard]] int64_t RestartCode(uint64_t number, uint64_t second_argument);

}  // namespace zxctl::arch::generic
