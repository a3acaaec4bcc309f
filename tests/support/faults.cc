#include "support/faults.h"

#include <csetjmp>
#include <csignal>

namespace zxctl::test {
namespace {

sigjmp_buf g_after_fault;

}  // namespace

bool Faults(const std::function<void()>& call) {
  struct sigaction action = {};
  struct sigaction old = {};
  action.sa_handler = [](int) { siglongjmp(g_after_fault, 1); };
  sigaction(SIGSEGV, &action, &old);
  // What has changed after sigsetjmp() is kept by a jump back only if it is volatile.
  volatile bool faulted = true;
  if (sigsetjmp(g_after_fault, 1) == 0) {
    call();
    faulted = false;
  }
  sigaction(SIGSEGV, &old, nullptr);
  return faulted;
}

}  // namespace zxctl::test
