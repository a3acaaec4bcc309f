// The peers of the register rows, by hand:
//   bare_registers start COUNT PROGRAM ARGS…      one process: the program's thread is stopped and sent into clone(), the new thread
//                                                 gets the registers with which it starts, the first is put back; until the new
//                                                 one has ended
//   bare_registers state COUNT PROGRAM ARGS…      two processes: one hand-over for PTRACE_SETREGSET, one for PTRACE_GETREGSET
//   bare_registers read-all ROUNDS PROGRAM ARGS…  one process: PTRACE_GETREGSET of all threads
// The programs print a line when they are ready, and are killed at the end.
#include <elf.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "bare_pair.h"

typedef struct user_regs_struct Registers;

static Registers GetSet(pid_t tid) {
  Registers registers;
  struct iovec piece = {&registers, sizeof(registers)};
  Require(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &piece) == 0, "PTRACE_GETREGSET");
  return registers;
}

static void SetSet(pid_t tid, const Registers* registers) {
  struct iovec piece = {(void*)registers, sizeof(*registers)};
  Require(ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &piece) == 0, "PTRACE_SETREGSET");
}

static pid_t StartReady(char** argv, char* line, size_t size) {
  int go, output;
  const pid_t child = Fork(argv, &go, &output);
  Require(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD) == 0,
          "PTRACE_SEIZE");
  Require(write(go, "g", 1) == 1, "write");
  Require(read(output, line, size) > 0, "the program is not ready");
  return child;
}

// ---- threads ---------------------------------------------------------------------------------------------------------

static void RunUntil(pid_t tid, int request, int status_wanted) {
  int status;
  Require(ptrace(request, tid, 0, 0) == 0, "resume");
  Require(waitpid(tid, &status, __WALL) == tid && status >> 8 == status_wanted, "another stop than expected");
}

// `instruction` is that of a system call.
static pid_t Clone(pid_t lender, uint64_t instruction) {
  const int syscall_stop = SIGTRAP | 0x80;
  uint64_t mask, all = ~0ULL;
  unsigned long made = 0;
  StopIt(lender);
  const Registers before = GetSet(lender);
  Require(ptrace(PTRACE_GETSIGMASK, lender, sizeof(mask), &mask) == 0, "PTRACE_GETSIGMASK");
  Require(ptrace(PTRACE_SETSIGMASK, lender, sizeof(all), &all) == 0, "PTRACE_SETSIGMASK");
  Registers going = before;
  going.rip = instruction;
  going.orig_rax = ~0ULL;
  going.rax = SYS_clone;
  going.rdi = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  going.rsi = going.rdx = going.r10 = going.r8 = 0;
  SetSet(lender, &going);
  RunUntil(lender, PTRACE_SYSCALL, syscall_stop);
  RunUntil(lender, PTRACE_SYSCALL, SIGTRAP | PTRACE_EVENT_CLONE << 8);
  Require(ptrace(PTRACE_GETEVENTMSG, lender, 0, &made) == 0, "PTRACE_GETEVENTMSG");
  RunUntil(lender, PTRACE_SYSCALL, syscall_stop);
  Require(ptrace(PTRACE_INTERRUPT, lender, 0, 0) == 0, "PTRACE_INTERRUPT");
  RunUntil(lender, PTRACE_CONT, SIGTRAP | PTRACE_EVENT_STOP << 8);
  SetSet(lender, &before);
  Require(ptrace(PTRACE_SETSIGMASK, lender, sizeof(mask), &mask) == 0, "PTRACE_SETSIGMASK");
  LetItGo(lender);
  return (pid_t)made;
}

static void Threads(long count, char** argv) {
  char line[64] = "";
  unsigned long address = 0;
  int status;
  const pid_t child = StartReady(argv, line, sizeof(line) - 1);
  Require(sscanf(line, "exit=%lx", &address) == 1, "no address");
  // It waits in a call, behind whose instruction its pc is.
  uint64_t instruction;
  for (;;) {
    StopIt(child);
    const Registers registers = GetSet(child);
    instruction = registers.rip - 2;
    LetItGo(child);
    if (registers.orig_rax != ~0ULL) break;
    usleep(1000);
  }
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    const pid_t made = Clone(child, instruction);
    Require(waitpid(made, &status, __WALL) == made && WIFSTOPPED(status), "waitpid");
    Registers registers = GetSet(made);
    registers = (Registers){.rip = address, .cs = registers.cs, .ss = registers.ss, .eflags = 0x202, .orig_rax = ~0ULL};
    SetSet(made, &registers);
    LetItGo(made);
    Require(waitpid(made, &status, __WALL) == made && WIFEXITED(status), "waitpid");
  }
  Report(start);
  Kill(child);
}

// ---- registers -------------------------------------------------------------------------------------------------------

typedef enum { kRead, kWrite, kEnd } Order;
typedef struct {
  _Atomic uint32_t turn;
  Order order;
  Registers registers;
} Shared;

static void Obey(Shared* shared, char** argv) {
  char line[64];
  const pid_t child = StartReady(argv, line, sizeof(line));
  StopIt(child);
  for (;;) {
    Give(&shared->turn, kDeciders);
    Await(&shared->turn, kTracers);
    if (shared->order == kEnd) Kill(child), _exit(0);
    if (shared->order == kRead) shared->registers = GetSet(child);
    if (shared->order == kWrite) SetSet(child, &shared->registers);
  }
}

static void Demand(Shared* shared, Order order) {
  shared->order = order;
  HandOver(&shared->turn, kDeciders);
}

static void State(long count, char** argv) {
  Shared* shared = NewShared(sizeof(Shared));
  atomic_store(&shared->turn, kTracers);
  const pid_t tracer = fork();
  if (tracer == 0) Obey(shared, argv);
  Await(&shared->turn, kDeciders);
  Demand(shared, kRead);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    Demand(shared, kWrite);
    Demand(shared, kRead);
  }
  Report(start);
  shared->order = kEnd;
  Give(&shared->turn, kTracers);
  waitpid(tracer, NULL, 0);
}

static void ReadAll(long rounds, char** argv) {
  static pid_t tids[MAX_THREADS];
  uint64_t sum = 0;
  char byte;
  int go, output;
  const pid_t child = Fork(argv, &go, &output);
  Require(write(go, "g", 1) == 1 && read(output, &byte, 1) == 1, "the program is not ready");
  const size_t count = SeizeThreads(child, tids);
  printf("threads=%zu\n", count);
  int64_t ns = 0;
  for (long i = 0; i < rounds; i++) {
    for (size_t t = 0; t < count; t++) StopIt(tids[t]);
    const int64_t start = NowNs();
    for (size_t t = 0; t < count; t++) sum += GetSet(tids[t]).rip;
    ns += NowNs() - start;
    for (size_t t = 0; t < count; t++) LetItGo(tids[t]);
  }
  printf("sum=%llx\n", (unsigned long long)sum);
  ReportNs(ns);
  kill(child, SIGKILL);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (argc <= 3) return 2;
  if (strcmp(mode, "start") == 0) return Threads(count, argv + 3), 0;
  if (strcmp(mode, "state") == 0) return State(count, argv + 3), 0;
  if (strcmp(mode, "read-all") == 0) return ReadAll(count, argv + 3), 0;
  return 2;
}
