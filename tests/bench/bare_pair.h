// Two processes that share the work of tracing: they take turns on a word of shared memory and sleep on it, as anybody would.
#pragma once

#include <dirent.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_program.h"

#define MAX_THREADS 8192

// Whose turn it is.
enum { kDeciders = 0, kTracers = 1 };

static inline void* NewShared(size_t size) {
  void* shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Require(shared != MAP_FAILED, "mmap");
  return shared;
}

static inline void Give(_Atomic uint32_t* turn, uint32_t to) {
  atomic_store(turn, to);
  syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline void Await(_Atomic uint32_t* turn, uint32_t mine) {
  while (atomic_load(turn) != mine) syscall(SYS_futex, turn, FUTEX_WAIT, 1 - mine, NULL, NULL, 0);
}

static inline void HandOver(_Atomic uint32_t* turn, uint32_t from) {
  Give(turn, 1 - from);
  Await(turn, from);
}

// A child that waits until it may execute the program; with `output`, what it prints is to be read there.
static inline pid_t Fork(char** argv, int* out_go, int* output) {
  int go[2], ends[2] = {-1, -1};
  Require(pipe(go) == 0 && (output == NULL || pipe(ends) == 0), "pipe");
  const pid_t child = fork();
  Require(child >= 0, "fork");
  if (child == 0) {
    char byte;
    close(go[1]);
    if (output != NULL) dup2(ends[1], STDOUT_FILENO), close(ends[0]), close(ends[1]);
    if (read(go[0], &byte, 1) != 1) _exit(125);
    close(go[0]);
    execvp(argv[0], argv);
    _exit(127);
  }
  close(go[0]);
  *out_go = go[1];
  if (output != NULL) *output = ends[0], close(ends[1]);
  return child;
}

static inline void Kill(pid_t child) {
  kill(child, SIGKILL);
  for (int status; waitpid(child, &status, __WALL) == child && WIFSTOPPED(status);) ptrace(PTRACE_CONT, child, 0, 0);
}

static inline void StopIt(pid_t tid) {
  int status;
  Require(ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0, "PTRACE_INTERRUPT");
  Require(waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status), "waitpid");
}

static inline void LetItGo(pid_t tid) { Require(ptrace(PTRACE_CONT, tid, 0, 0) == 0, "PTRACE_CONT"); }

// All threads of a process, which does not make or end any meanwhile.
static inline size_t SeizeThreads(pid_t pid, pid_t* tids) {
  char path[64];
  size_t count = 0;
  snprintf(path, sizeof(path), "/proc/%d/task", pid);
  DIR* tasks = opendir(path);
  Require(tasks != NULL, path);
  for (const struct dirent* entry; (entry = readdir(tasks)) != NULL && count < MAX_THREADS;) {
    const pid_t tid = atoi(entry->d_name);
    if (tid == 0) continue;
    Require(ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_EXITKILL) == 0, "PTRACE_SEIZE");
    tids[count++] = tid;
  }
  closedir(tasks);
  return count;
}
