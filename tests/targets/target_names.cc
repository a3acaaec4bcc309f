// A program whose functions have names that are hard to tell apart; it waits for the end of its input.
#include <unistd.h>

#include <atomic>

static std::atomic<long> counter;

extern "C" {
// The same name stands in target_names_other.cc.
__attribute__((noinline, used)) static void twin() { ++counter; }
void call_other_twin();

static void Plain() { ++counter; }
using Function = void (*)();
__attribute__((used)) static Function Resolve() { return &Plain; }
// Which function it is gets settled as the program starts.
void chosen() __attribute__((ifunc("Resolve")));

long a_variable;
}

namespace names {
__attribute__((noinline, noreturn, used)) void Spin(int* stop) {
  for (;;) counter += stop == nullptr;
}
}  // namespace names

int main() {
  twin();
  call_other_twin();
  chosen();
  if (write(1, "ready\n", 6) != 6) return 1;
  char byte = 0;
  while (read(0, &byte, 1) == 1) {
  }
  return 0;
}
