// bench_loops cpu|getpid|pipe COUNT: loops in which a supervisor has no business.   bench_loops burn|burn-aloud: until killed;
// the second says when it begins.
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_program.h"

static void Burn(long count) {
  volatile uint64_t sink = 0;
  uint64_t x = 88172645463325252u;
  for (long i = 0; i < count; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  sink = x;
  (void)sink;
}

static void GetPids(long count) {
  for (long i = 0; i < count; i++) syscall(SYS_getpid);
}

// One byte there and back between two processes.
static void PingPong(long count) {
  int there[2], back[2];
  char byte = 'x';
  Require(pipe(there) == 0 && pipe(back) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    for (long i = 0; i < count; i++) {
      if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    Require(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "ping");
  }
  Report(start);
  Require(waitpid(child, NULL, 0) == child, "wait");
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "burn-aloud") == 0) puts("ready=1"), fflush(stdout);
  while (strncmp(mode, "burn", 4) == 0) Burn(1000000);
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "pipe") == 0) return PingPong(count), 0;
  const int64_t start = NowNs();
  if (strcmp(mode, "cpu") == 0) {
    Burn(count);
  } else if (strcmp(mode, "getpid") == 0) {
    GetPids(count);
  } else {
    return 2;
  }
  Report(start);
  return 0;
}
