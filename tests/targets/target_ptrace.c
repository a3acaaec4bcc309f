// Says what the kernel answers to a program that wants to trace: traceme, attach, seize (of its own child).
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void Say(const char* call, long result) {
  printf("%s %s\n", call, result == 0 ? "OK" : strerrorname_np(errno));
  fflush(stdout);
}

static void TraceMe(void) { Say("TRACEME", ptrace(PTRACE_TRACEME, 0, 0, 0)); }

int main(void) {
  const pid_t child = fork();
  if (child == 0) {
    while (1) pause();
  }
  Say("ATTACH", ptrace(PTRACE_ATTACH, child, 0, 0));
  Say("SEIZE", ptrace(PTRACE_SEIZE, child, 0, 0));
  kill(child, SIGKILL);
  waitpid(child, NULL, __WALL);
  if (fork() == 0) {
    TraceMe();
    _exit(0);
  }
  wait(NULL);
  return 0;
}
