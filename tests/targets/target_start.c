// A process in which threads are made and started from outside. It says where its pieces are and then waits for commands on its
// standard input, a byte each: 'p' prints what was seen, 'e' ends it, the end of the input too.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zircon/errors.h>
#include <zxtask/target.h>

#include "target_start_machine.h"

enum { kStackBytes = 64 * 1024, kStacks = 1024 };

struct Seen seen;
uint64_t scratch_stack[64];
atomic_int stop_spinning;
atomic_long counter;

// The example of zx_thread_start's own page.
__attribute__((noreturn)) static void thread_entry(uint64_t arg1, uint64_t arg2) {
  atomic_fetch_add(&counter, (long)(arg1 * arg2));
  zx_thread_exit();
}

static zx_futex_t futex_word;
__attribute__((noreturn)) static void wake_and_exit(uint64_t arg1, uint64_t arg2) {
  (void)arg2;
  zx_futex_wake_handle_close_thread_exit(&futex_word, 1, (int32_t)arg1, 0);
}

// Its own stack: what comes back has failed, and has a stack still.
static void unmap_and_exit(uint64_t address, uint64_t size) {
  const zx_status_t status = zx_vmar_unmap_handle_close_thread_exit(0, address, size, 0);
  atomic_store(&counter, status);
  zx_thread_exit();
}

// What the kernel keeps for a thread, as it says itself; tests know the order.
static struct {
  stack_t signal_stack;
  void* robust_list;
  long robust_list_result;
  long rseq_result;
} kept;

// There is no thread pointer: no errno, and nothing on the stack that would be guarded.
__attribute__((noreturn)) static void surveyor(uint64_t arg1, uint64_t arg2) {
  static size_t size;
  static struct rseq area;  // of no thread yet
  (void)arg1, (void)arg2;
  zxl_target_call3(SYS_sigaltstack, 0, (long)&kept.signal_stack, 0);
  kept.robust_list_result = zxl_target_call3(SYS_get_robust_list, 0, (long)&kept.robust_list, (long)&size);
  kept.rseq_result = zxl_target_call3(SYS_rseq, (long)&area, sizeof(area), 0);  // whatever the signature
  zx_thread_exit();
}

static void Print(void) {
  const uint64_t* words = (const uint64_t*)&seen;
  printf("seen");
  for (size_t i = 0; i < sizeof(seen) / sizeof(*words); i++) printf(" %lx", (unsigned long)words[i]);
  printf("\ncounter %ld futex %d\n", atomic_load(&counter), futex_word);
  fflush(stdout);
}

static void* Waiting(void* argument) {
  char byte;
  (void)!read(*(int*)argument, &byte, 1);
  return argument;
}

// A leader that has ended, so that another thread has to lend itself.
static void* Serve(void* unused) {
  for (int byte; (byte = getchar()) != EOF && byte != 'e';) {
    if (byte == 'p') Print();
    if (byte == 's') atomic_store(&stop_spinning, 1);
  }
  fprintf(stderr, "thread %d of %d: %s\n", gettid(), getpid(), ferror(stdin) ? strerror(errno) : "the input has ended");
  _exit(0);
  return unused;
}

// A leader that has what a thread that it makes must not have, and what such a thread has from nobody else.
__attribute__((noreturn)) static void BeUnusual(void) {
  static char signal_stack[64 * 1024];
  const stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
  pthread_t other;
  if (pthread_create(&other, NULL, Serve, NULL) != 0) _exit(91);
  if (sigaltstack(&stack, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(99);
  unusual();
}

static void OnSys(int signo) { atomic_fetch_add(&counter, signo); }

// From now on the program may not call clone.
static int ForbidClone(uint32_t action) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {.len = 4, .filter = code};
  signal(SIGSYS, OnSys);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

// The filter asks a listener that never answers.
static int LetClonesBeAskedFor(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {.len = 4, .filter = code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "errno") == 0 && ForbidClone(SECCOMP_RET_ERRNO | 1) != 0) return 94;
  if (argc > 1 && strcmp(argv[1], "zero") == 0 && ForbidClone(SECCOMP_RET_ERRNO) != 0) return 96;
  if (argc > 1 && strcmp(argv[1], "trap") == 0 && ForbidClone(SECCOMP_RET_TRAP) != 0) return 95;
  if (argc > 1 && strcmp(argv[1], "kill") == 0 && ForbidClone(SECCOMP_RET_KILL_PROCESS) != 0) return 97;
  if (argc > 1 && strcmp(argv[1], "unanswered") == 0 && LetClonesBeAskedFor() != 0) return 98;
  char* stacks = mmap(NULL, (size_t)kStackBytes * kStacks, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) return 90;
  setvbuf(stdin, NULL, _IONBF, 0);
  printf("recorder %lx exiter %lx spinner %lx entry %lx wake %lx unmap %lx stacks %lx surveyor %lx kept %lx",
         (long)recorder, (long)exiter, (long)spinner, (long)thread_entry, (long)wake_and_exit, (long)unmap_and_exit,
         (long)stacks, (long)surveyor, (long)&kept);
#if defined(__x86_64__)
  printf(" extended %lx selectors %lx", (long)extended, (long)selectors);
#endif
  printf("\n");
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "unusual") == 0) BeUnusual();
  if (argc > 1 && strcmp(argv[1], "headless") == 0) {
    pthread_t other;
    if (pthread_create(&other, NULL, Serve, NULL) != 0) return 91;
    pthread_exit(NULL);
  }
#if defined(__x86_64__)
  __attribute__((noreturn)) void in_sequences(void* area);
  if (argc > 1 && strcmp(argv[1], "sequences") == 0) {
    pthread_t other;
    if (pthread_create(&other, NULL, Serve, NULL) != 0) return 91;
    in_sequences((char*)__builtin_thread_pointer() + __rseq_offset);
  }
#endif
  // The leader waits for a child that has its memory, where nothing interrupts it; with "vfork", another thread serves.
  if (argc > 1 && strncmp(argv[1], "vfork", 5) == 0) {
    pthread_t other;
    if (strcmp(argv[1], "vfork") == 0 && pthread_create(&other, NULL, Serve, NULL) != 0) return 91;
    if (vfork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
  }
  if (argc > 1 && strcmp(argv[1], "crowd") == 0) {
    static int ends[2];
    pthread_t other;
    if (pipe(ends) != 0) return 92;
    for (int i = 0; i < 3; i++) {
      if (pthread_create(&other, NULL, Waiting, &ends[0]) != 0) return 93;
    }
  }
  Serve(NULL);
  return 0;
}
