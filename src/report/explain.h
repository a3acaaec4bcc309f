// Why it happened, in a sentence or two. Pure: everything that it needs has been gathered before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "report/classify_address.h"
#include "report/model.h"
#include "report/operand.h"

namespace zxctl::report {

// What a fault's explanation rests on. Whatever is not known stays empty.
struct FaultFacts {
  SignalRecord signal{};                       // the one that the exception is about
  const arch::Registers* registers = nullptr;  // at the fault; null if there are none
  std::optional<DecodedFault> instruction{};   // at pc
  bool pc_executable = false;
  std::string call_text{};  // the call that led to a pc that is no code
  std::string bus_file{};   // SIGBUS: "/tmp/x is 4096 bytes long, the mapping reaches 8192"
  std::string sender{};     // the name of the process that sent the signal
};

struct FaultExplanation {
  Access access = Access::kUnknown;
  std::optional<uint64_t> address{};  // also worked out where the kernel tells none
  std::string text{};
};

// A fault that the machine raised, a refused system call, or a signal that was sent.
[[nodiscard]] FaultExplanation ExplainFault(const FaultFacts& facts, const AddressSpace& space);

// ---- from the backtrace -------------------------------------------------------------------------------------------

struct AbortFacts {
  const ThreadInfo* thread = nullptr;  // with names
  std::string message{};               // the C library's last words
  std::string thrown_type{};           // of an exception that nobody caught
  std::string thrown_what{};
};

// The innermost frame that is the program's own: not of the C and C++ libraries, not of the system's headers, not of Rust's
// crates. Null if there is none near the top.
[[nodiscard]] const Frame* FindCulprit(const ThreadInfo& thread);

// Who called for the process's end and why: abort(), assert(), an exception that nobody caught, the stack protector, the
// allocator's checks. Empty when the backtrace shows nothing of the kind.
[[nodiscard]] std::string ExplainAbort(const AbortFacts& facts);

}  // namespace zxctl::report
