// Types that all machines' folders share.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zxctl::arch {

// What a thread runs: 64-bit code, or 32-bit code on the 64-bit kernel.
enum class Bits : uint8_t { k64, k32 };

struct NamedValue {
  std::string_view name;
  uint64_t value;
};

// A register in one of Zircon's structures of registers.
struct RegisterField {
  std::string name;
  size_t offset = 0;
  size_t bytes = 0;
};

// A piece of a thread's registers as ptrace gives it: the requests that read and write it (writes: 0 for what is only
// looked at), the note type for requests that take one, and where in Registers it stands.
struct RegisterPart {
  int read_request = 0;
  int write_request = 0;
  uint32_t note_type = 0;
  size_t offset = 0;
  size_t bytes = 0;
};

// What a system call is given.
using CallArguments = std::array<uint64_t, 6>;

// A kind of registers as zx_thread_read_state() has it, ZX_THREAD_STATE_*, and the register sets that it is made of by their
// note types; 0: none.
struct StateLayout {
  uint32_t kind = 0;
  size_t bytes = 0;
  std::array<uint32_t, 2> sets{};
  std::string_view missing;  // why this machine has none, if it has none
  // If the kernel gives them to a thread when it first uses them: why they cannot be written before. They are read as zeros.
  std::string_view unused{};
};
// The one of this kind; null for a kind that there is not.
template <size_t N>
[[nodiscard]] const StateLayout* FindState(const std::array<StateLayout, N>& states, uint32_t kind) {
  const auto found =
      std::find_if(states.begin(), states.end(), [kind](const StateLayout& s) { return s.kind == kind; });
  return found == states.end() ? nullptr : &*found;
}
// Those sets as they were read; empty where the machine has none.
using StateSets = std::array<std::span<std::byte>, 2>;

// The debug registers as a set, where the kernel has them only as words of struct user.
inline constexpr uint32_t kUserWordSet = 0xffff0001;

// How a blocking call that ends with EINTR when its task is woken knows its time.
enum class TimeoutKind : uint8_t {
  kNone,           // blocks without limit
  kMilliseconds,   // a register in ms, negative for no limit
  kTimespec,       // a register points to {i64 s, i64 ns}; null for no limit
  kTimespec32,     // a register points to {i32 s, i32 ns}; null for no limit
  kUringTimespec,  // io_uring_enter: the timespec stands in the extended argument, if there is one
  kSocketReceive,  // SO_RCVTIMEO of the descriptor in the first argument
  kSocketSend,     // SO_SNDTIMEO of the same
  kSocketConnect,  // the same; what the call returns when its time is up depends on the socket's family
};

// A call that is safe to run again after -EINTR: it has no effect before it returns that.
struct RestartableCall {
  TimeoutKind timeout = TimeoutKind::kNone;
  uint64_t timeout_argument = 0;  // the argument register of kMilliseconds, kTimespec, kUringTimespec
  uint64_t fd = 0;                // for the socket kinds
  bool fd_in_memory = false;      // `fd` is the address of the descriptor, an i32
  int64_t timeout_result = 0;     // what the call itself returns when its time is up
};

// io_uring_enter's flags (its argument 3): the extended argument stands in argument 4 if the first is set. With one of the
// others the time is absolute, or stands where only the ring knows.
[[nodiscard]] constexpr bool HasRelativeUringTimeout(uint64_t flags) {
  constexpr uint64_t kExtArg = 1U << 3;
  constexpr uint64_t kAbsTimer = 1U << 5;
  constexpr uint64_t kExtArgReg = 1U << 6;
  return (flags & kExtArg) != 0 && (flags & (kAbsTimer | kExtArgReg)) == 0;
}

// Where a call that will run again has left the rest of its time: {seconds, fraction}, each of `bytes` bytes, the fraction
// counting `unit_ns`.
struct TimeLeft {
  uint64_t address = 0;
  uint8_t bytes = 8;
  uint16_t unit_ns = 1;
};

}  // namespace zxctl::arch
