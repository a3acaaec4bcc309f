// The peer of the benchmarks: the least that a ptrace program can do and still follow a whole program tree.
//   bare_follower [-i] [-s] PROGRAM ARGS…      -i: int3 is skipped, after a look at the registers as any handler needs it
//                                              -s: asks for the next stop again and again instead of sleeping
// It knows nothing, decides nothing and remembers nothing, so nothing that follows every task and passes every signal on
// with blocking waits can be faster by much.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const long kOptions =
    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

static pid_t Launch(char** argv) {
  int go[2];
  if (pipe(go) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    close(go[1]);
    if (read(go[0], &byte, 1) != 1) _exit(125);
    close(go[0]);
    execvp(argv[0], argv);
    _exit(127);
  }
  if (ptrace(PTRACE_SEIZE, child, 0, kOptions) != 0) return -1;
  const int written = write(go[1], "g", 1) == 1;
  close(go[0]);
  close(go[1]);
  return written ? child : -1;
}

// Answers one stop: events and attach stops go on, job-control stops are kept, int3 is skipped if wanted, and any other
// signal is delivered.
static void Resume(pid_t tid, int status, int skip_int3) {
  const int signal = WSTOPSIG(status), event = status >> 16;
  struct user_regs_struct registers;
  if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
    ptrace(PTRACE_LISTEN, tid, 0, 0);
  } else if (event != 0) {
    ptrace(PTRACE_CONT, tid, 0, 0);
  } else if (signal == SIGTRAP && skip_int3) {
    ptrace(PTRACE_GETREGS, tid, 0, &registers);
    ptrace(PTRACE_CONT, tid, 0, 0);
  } else {
    ptrace(PTRACE_CONT, tid, 0, (long)signal);
  }
}

int main(int argc, char** argv) {
  int skip_int3 = 0, spin = 0, first = 1;
  for (; first < argc && argv[first][0] == '-'; ++first) {
    skip_int3 |= strcmp(argv[first], "-i") == 0;
    spin |= strcmp(argv[first], "-s") == 0;
  }
  const pid_t child = first < argc ? Launch(argv + first) : -1;
  if (child < 0) return perror("bare_follower"), 125;
  int status, result = 0;
  const int options = __WALL | (spin ? WNOHANG : 0);
  for (pid_t tid; (tid = waitpid(-1, &status, options)) >= 0 || errno == EINTR;) {
    if (tid <= 0) continue;
    if (WIFSTOPPED(status)) Resume(tid, status, skip_int3);
    if (tid == child && !WIFSTOPPED(status)) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return result;
}
