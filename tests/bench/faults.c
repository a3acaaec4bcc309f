// bench_faults segv|int3 COUNT: COUNT faults. segv: a read of a page without access, caught by the program's own handler.
// int3: breakpoint instructions, which somebody outside has to skip (without that the program dies of SIGTRAP).
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "bench_program.h"

static sigjmp_buf g_back;
static volatile sig_atomic_t g_caught;

static void Catch(int signal) {
  (void)signal;
  g_caught = g_caught + 1;
  siglongjmp(g_back, 1);
}

static void Segv(long count) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = Catch;
  action.sa_flags = SA_NODEFER;  // no signal mask to restore: the jump back makes no system call
  sigaction(SIGSEGV, &action, NULL);
  volatile char* page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Require(page != MAP_FAILED, "mmap");
  const int64_t start = NowNs();
  while (g_caught < count) {
    if (sigsetjmp(g_back, 0) == 0) (void)*page;
  }
  Report(start);
}

static void Int3(long count) {
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) __asm__ volatile("int3");
  Report(start);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "segv") == 0) return Segv(count), 0;
  if (strcmp(mode, "int3") == 0) return Int3(count), 0;
  return 2;
}
