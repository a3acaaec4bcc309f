#include <atomic>

static std::atomic<long> counter;

extern "C" {
__attribute__((noinline, used)) static void twin() { --counter; }
void call_other_twin() { twin(); }
}
