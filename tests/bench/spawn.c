// bench_spawn fork|spawn COUNT PROGRAM: starts a program and waits for it, COUNT times, by fork and exec or by
// posix_spawn (which is vfork and exec).
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_program.h"

static pid_t StartByFork(char* const* arguments, char* const* environment) {
  const pid_t child = fork();
  if (child == 0) {
    execve(arguments[0], arguments, environment);
    _exit(127);
  }
  return child;
}

static pid_t StartBySpawn(char* const* arguments, char* const* environment) {
  pid_t child = -1;
  return posix_spawn(&child, arguments[0], NULL, NULL, arguments, environment) == 0 ? child : -1;
}

int main(int argc, char** argv, char** environment) {
  if (argc != 4) return 2;
  const long count = Count(argc, argv, 2);
  char* const arguments[] = {argv[3], NULL};
  const int by_fork = strcmp(argv[1], "fork") == 0;
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    const pid_t child = by_fork ? StartByFork(arguments, environment) : StartBySpawn(arguments, environment);
    int status = 0;
    Require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child");
  }
  Report(start);
  return 0;
}
