// The peers of the task rows: the least that two processes can do who share the work of tracing. One calls ptrace and blocks in
// waitpid(), the other decides; they take turns on a word of shared memory and sleep on it, as anybody would.
//   bare_tasks fault PROGRAM ARGS…           a tracer that hands each stop over, and goes on with the thread when it has the turn
//                                            again. The program times itself
//   bare_tasks fault-told PROGRAM ARGS…      the same, but the other is told what happened: the signal's record, the registers
//   bare_tasks hand-over COUNT               the turns alone: there and back, COUNT times
//   bare_tasks suspend COUNT PROGRAM ARGS…   one hand-over for PTRACE_INTERRUPT and waitpid(), one for PTRACE_CONT
//   bare_tasks suspend-all COUNT PROGRAM ARGS…   one process: PTRACE_INTERRUPT of all threads, waitpid() of each, PTRACE_CONT of all
// The programs of the last two print a line when they are ready, and are killed at the end.
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>

#include "bare_pair.h"

// Whose turn it is; and what the other one was told.
typedef enum { kSuspend, kResume, kEnd } Order;
typedef struct {
  _Atomic uint32_t turn;
  Order order;
  siginfo_t record;
  struct user_regs_struct registers;
} Shared;

static void AwaitReady(int output) {
  char byte;
  Require(read(output, &byte, 1) == 1, "the program is not ready");
}

// ---- a fault ---------------------------------------------------------------------------------------------------------

// Decides over each stop that the tracer hands over, until the program is dead.
static void Handle(Shared* shared) {
  for (;;) {
    Await(&shared->turn, kDeciders);
    if (shared->order == kEnd) _exit(0);
    Give(&shared->turn, kTracers);
  }
}

static int Faults(char** argv, int told) {
  Shared* shared = NewShared(sizeof(Shared));
  atomic_store(&shared->turn, kTracers);
  const pid_t handler = fork();
  if (handler == 0) Handle(shared);
  int go, status, result = 1;
  const pid_t child = Fork(argv, &go, NULL);
  Require(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0, "PTRACE_SEIZE");
  Require(write(go, "g", 1) == 1, "write");
  while (waitpid(child, &status, __WALL) == child) {
    if (!WIFSTOPPED(status)) {
      result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    const int signo = WSTOPSIG(status);
    if (told) ptrace(PTRACE_GETSIGINFO, child, 0, &shared->record);
    if (told) ptrace(PTRACE_GETREGS, child, 0, &shared->registers);
    if (signo == SIGTRAP) HandOver(&shared->turn, kTracers);
    ptrace(PTRACE_CONT, child, 0, signo == SIGTRAP ? 0L : (long)signo);
  }
  shared->order = kEnd;
  Give(&shared->turn, kDeciders);
  waitpid(handler, NULL, 0);
  return result;
}

static void Turns(long count) {
  Shared* shared = NewShared(sizeof(Shared));
  shared->order = kResume;
  atomic_store(&shared->turn, kTracers);
  const pid_t other = fork();
  if (other == 0) Handle(shared);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) HandOver(&shared->turn, kTracers);
  Report(start);
  shared->order = kEnd;
  Give(&shared->turn, kDeciders);
  waitpid(other, NULL, 0);
}

// ---- suspends --------------------------------------------------------------------------------------------------------

// The process that traces.
static void Obey(Shared* shared, char** argv) {
  int go, output;
  const pid_t child = Fork(argv, &go, &output);
  Require(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0, "PTRACE_SEIZE");
  Require(write(go, "g", 1) == 1, "write");
  AwaitReady(output);
  for (;;) {
    Give(&shared->turn, kDeciders);
    Await(&shared->turn, kTracers);
    switch (shared->order) {
      case kSuspend:
        StopIt(child);
        break;
      case kResume:
        LetItGo(child);
        break;
      case kEnd:
        Kill(child);
        _exit(0);
    }
  }
}

static void Suspend(long count, char** argv) {
  Shared* shared = NewShared(sizeof(Shared));
  atomic_store(&shared->turn, kTracers);
  const pid_t tracer = fork();
  if (tracer == 0) Obey(shared, argv);
  Await(&shared->turn, kDeciders);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    shared->order = kSuspend;
    HandOver(&shared->turn, kDeciders);
    shared->order = kResume;
    HandOver(&shared->turn, kDeciders);
  }
  Report(start);
  shared->order = kEnd;
  Give(&shared->turn, kTracers);
  waitpid(tracer, NULL, 0);
}

// ---- many threads ----------------------------------------------------------------------------------------------------

static void SuspendAll(long count, char** argv) {
  static pid_t tids[MAX_THREADS];
  int go, output;
  const pid_t child = Fork(argv, &go, &output);
  Require(write(go, "g", 1) == 1, "write");
  AwaitReady(output);
  const size_t threads = SeizeThreads(child, tids);
  printf("threads=%zu\n", threads);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    int status;
    for (size_t t = 0; t < threads; t++) Require(ptrace(PTRACE_INTERRUPT, tids[t], 0, 0) == 0, "PTRACE_INTERRUPT");
    for (size_t t = 0; t < threads; t++) Require(waitpid(tids[t], &status, __WALL) == tids[t], "waitpid");
    for (size_t t = 0; t < threads; t++) LetItGo(tids[t]);
  }
  Report(start);
  kill(child, SIGKILL);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (strncmp(mode, "fault", 5) == 0 && argc > 2) return Faults(argv + 2, strcmp(mode, "fault-told") == 0);
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "hand-over") == 0) return Turns(count), 0;
  if (argc <= 3) return 2;
  if (strcmp(mode, "suspend") == 0) return Suspend(count, argv + 3), 0;
  if (strcmp(mode, "suspend-all") == 0) return SuspendAll(count, argv + 3), 0;
  return 2;
}
