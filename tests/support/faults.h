// Calls that are to fault.
#pragma once

#include <functional>

namespace zxctl::test {

// True when `call` raises SIGSEGV in this thread; it does not get on from there. One thread at a time.
[[nodiscard]] bool Faults(const std::function<void()>& call);

}  // namespace zxctl::test
