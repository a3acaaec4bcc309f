// bench_startee: a program in which threads are started. Prints "exit=ADDRESS", the address of code that ends its thread, and
// sleeps until it is killed.
#include <unistd.h>
#include <zxtask/target.h>

#include "bench_program.h"

__attribute__((noreturn)) static void Exit(void) { zx_thread_exit(); }

int main(void) {
  printf("exit=%lx\n", (unsigned long)Exit);
  fflush(stdout);
  for (;;) pause();
}
