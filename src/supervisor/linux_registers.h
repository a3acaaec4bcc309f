// A stopped thread's registers by ptrace, in the pieces that the machine has them in. All return an errno, 0 for success.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

#include "arch/arch.h"

namespace zxctl {

// EOPNOTSUPP for a thread whose registers are of another kind than those of 64-bit code, where that is not understood.
[[nodiscard]] int ReadRegisters(pid_t tid, arch::Registers& out);
[[nodiscard]] int WriteRegisters(pid_t tid, const arch::Registers& registers);
// On machines where the result of a call has taken the place of its first argument: finds that, and sets it. `registers` show
// a call that has ended.
[[nodiscard]] int FindFirstArgument(pid_t tid, arch::Registers& registers);

// arch::kUserWordSet. Reading gives the bytes read, 0 where the machine has no such words or the thread is gone. Writing
// switches all off first, and on at the end.
[[nodiscard]] size_t ReadUserWords(pid_t tid, std::span<std::byte> out);
[[nodiscard]] int WriteUserWords(pid_t tid, std::span<const std::byte> in);

}  // namespace zxctl
