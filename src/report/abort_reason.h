// What an aborted program has left in its memory about the reason. Reads the program's memory only.
#pragma once

#include <span>
#include <string>

#include "report/memory_reader.h"
#include "report/modules.h"
#include "report/unwinder.h"

namespace zxctl::report {

// The C library's last words ("free(): invalid pointer", the text of a failed assertion), without the newline; empty if
// it has none.
[[nodiscard]] std::string ReadAbortMessage(MemorySource& memory, ModuleTable& modules);

struct ThrownException {
  std::string type{};  // demangled; empty if none was found
  std::string what{};  // of the standard library's own exceptions
};

// The C++ exception object that the frames of a thread in std::terminate() point at; they are of code with words of
// `word_bytes`.
[[nodiscard]] ThrownException FindThrownException(MemorySource& memory, std::span<const UnwoundFrame> frames,
                                                  size_t word_bytes);

}  // namespace zxctl::report
