// Crashes in the way that its first argument names; the call chain is main → outer → middle → the kind's function.
// The comments "mark: NAME" are what the tests look for when they check line numbers.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target_machine.h"

#define NOINLINE __attribute__((noinline, noclone))

struct Node {
  long pad[2];
  long value;
};

static volatile int sink;

NOINLINE void null_write(void) {
  struct Node* node = NULL;
  __asm__ volatile("" : "+r"(node));
  node->value = 42;  // mark: null_write
  sink++;
}

NOINLINE void null_read(void) {
  int* p = NULL;
  __asm__ volatile("" : "+r"(p));
  sink = *p;
  sink++;
}

NOINLINE void jump_null(void) {
  void (*f)(void) = NULL;
  __asm__ volatile("" : "+r"(f));
  f();  // mark: jump_null
  sink++;
}

NOINLINE void call_bad(void) {
  void (*f)(void) = (void (*)(void))(uintptr_t)0x12345678;
  __asm__ volatile("" : "+r"(f));
  f();
  sink++;
}

// Deeper than any stack.
NOINLINE int recurse(int depth) {
  volatile char room[512];
  room[depth & 511] = (char)depth;
  if (depth == INT32_MAX) return 0;
  return recurse(depth + 1) + room[(depth + 1) & 511];
}

NOINLINE void overflow(void) { sink = recurse(0); }

static void* overflow_thread(void* unused) {
  (void)unused;
  sink = recurse(0);
  return NULL;
}

NOINLINE void overflow_in_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, &overflow_thread, NULL);
  pthread_join(thread, NULL);
}

NOINLINE void smash(void) {
  volatile uintptr_t* slot = __builtin_frame_address(0);
  __asm__ volatile("" : "+r"(slot));
  for (int i = 0; i < ZX_SMASHED_WORDS; ++i) slot[i] = (uintptr_t)-1 / 255 * 0x41;
  sink++;
}

NOINLINE void noncanonical(void) {
  char* p = (char*)((uintptr_t)-1 / 0xffffffff * 0xdeadbee0);
  __asm__ volatile("" : "+r"(p));
  sink = *(long*)(p + 8);
  sink++;
}

#if defined(__SSE__)
NOINLINE void misaligned(void) {
  static char room[64] __attribute__((aligned(16)));
  char* p = room + 4;
  __asm__ volatile("movaps %%xmm0,(%0)" : : "r"(p) : "memory");
  sink++;
}
#elif defined(__aarch64__)
NOINLINE void misaligned(void) {
  static char room[64] __attribute__((aligned(16)));
  char* p = room + 4;
  long value;
  __asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"(p) : "memory");
  sink = value;
}
#else
NOINLINE void misaligned(void) {}
#endif

NOINLINE void divide(void) {
  volatile int zero = 0;
  sink = 10 / zero;
}

NOINLINE void divide_overflow(void) {
  volatile int smallest = INT32_MIN, minus = -1;
  sink = smallest / minus;
}

NOINLINE void trap(void) { __builtin_trap(); }

NOINLINE void breakpoint(void) {
  ZX_BREAKPOINT();  // mark: breakpoint
  sink++;
}

NOINLINE void privileged(void) {
  ZX_PRIVILEGED_INSTRUCTION();
  sink++;
}

NOINLINE void do_abort(void) {
  abort();  // mark: do_abort
}

NOINLINE void bad_free(void) {
  char* p = malloc(64);
  __asm__ volatile("" : "+r"(p));
  free(p + 16);
  sink++;
}

static const char kText[] = "read only";

NOINLINE void write_rodata(void) {
  char* p = (char*)(uintptr_t)kText;
  __asm__ volatile("" : "+r"(p));
  p[0] = 'R';
  sink++;
}

NOINLINE void run_heap(void) {
  void (*f)(void) = (void (*)(void))malloc(64);
  __asm__ volatile("" : "+r"(f));
  f();
  sink++;
}

NOINLINE void past_eof(void) {
  char path[] = "/tmp/zx-crash-XXXXXX";
  const int fd = mkstemp(path);
  if (ftruncate(fd, 4096) != 0) _exit(3);
  volatile char* p = mmap(NULL, 16384, PROT_READ, MAP_SHARED, fd, 0);
  unlink(path);
  sink = p[8192];
  sink++;
}

static void handler(int signo) {
  (void)signo;
  null_write();
}

NOINLINE void in_handler(void) {
  struct sigaction action = {.sa_handler = &handler};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
}

static void reraise(int signo) {
  signal(signo, SIG_DFL);
  raise(signo);
}

NOINLINE void handled_and_raised(void) {
  signal(SIGSEGV, &reraise);
  null_write();
}

// No alternate stack: the handler cannot be pushed.
NOINLINE void handled_overflow(void) {
  signal(SIGSEGV, &reraise);
  overflow();
}

static inline __attribute__((always_inline)) void innermost(long* p) {
  *p = 1;  // mark: innermost
}

static inline __attribute__((always_inline)) void between(long* p) {
  innermost(p + 1);  // mark: between
  sink++;
}

NOINLINE void inlined(void) {
  long* p = NULL;
  __asm__ volatile("" : "+r"(p));
  between(p);  // mark: inlined
  sink++;
}

// A function that makes a frame and writes to null.
#if defined(__x86_64__)
// push %rbp; mov %rsp,%rbp; xor %eax,%eax; mov %rax,(%rax)
static const unsigned char kJitCode[] = {0x55, 0x48, 0x89, 0xe5, 0x31, 0xc0, 0x48, 0x89, 0x00};
#elif defined(__i386__)
static const unsigned char kJitCode[] = {0x55, 0x89, 0xe5, 0x31, 0xc0, 0x89, 0x00};
#elif defined(__aarch64__)
// stp x29, x30, [sp, #-16]!; mov x29, sp; mov x0, #0; str x0, [x0]
static const unsigned kJitCode[] = {0xa9bf7bfd, 0x910003fd, 0xd2800000, 0xf9000000};
#elif defined(__riscv)
// addi sp, sp, -16; sd ra, 8(sp); sd s0, 0(sp); addi s0, sp, 16; sd zero, 0(zero)
static const unsigned kJitCode[] = {0xff010113, 0x00113423, 0x00813023, 0x01010413, 0x00003023};
#endif

static char* map_jit_code(void) {
  char* code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, kJitCode, sizeof(kJitCode));
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  return code;
}

static void run_jit_code(char* code) {
  void (*f)(void);
  memcpy(&f, &code, sizeof(f));
  f();
  sink++;
}

NOINLINE void jit_unnamed(void) {
  run_jit_code(map_jit_code());
  sink++;
}

NOINLINE void jit(void) {
  char* code = map_jit_code();
  char path[64];
  snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
  FILE* map = fopen(path, "w");
  if (map == NULL) _exit(3);
  fprintf(map, "%lx 1000 Script:~compiled\n", (unsigned long)(uintptr_t)code);
  fclose(map);
  run_jit_code(code);
  sink++;
}

enum { kManyThreads = 64 };
static pthread_barrier_t barrier;
static pid_t waiting_tids[kManyThreads];

NOINLINE void* wait_forever(void* tid) {
  *(pid_t*)tid = gettid();
  pthread_barrier_wait(&barrier);
  for (;;) pause();
  return tid;
}

// What pause() calls.
#ifdef SYS_pause
enum { kPauseCall = SYS_pause };
#else
enum { kPauseCall = SYS_ppoll };
#endif

// Until the thread is in the call, and not on its way there.
static void await_pause(pid_t tid) {
  char path[64];
  int call = -1;
  snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
  while (call != kPauseCall) {
    FILE* file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%d", &call) != 1) call = -1;
    if (file != NULL) fclose(file);
  }
}

NOINLINE void many_threads(void) {
  pthread_barrier_init(&barrier, NULL, kManyThreads + 1);
  for (int i = 0; i < kManyThreads; ++i) {
    pthread_t thread;
    pthread_create(&thread, NULL, &wait_forever, &waiting_tids[i]);
  }
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < kManyThreads; ++i) await_pause(waiting_tids[i]);
  null_write();
}

// Waits until somebody writes to standard input: the test changes the file on disk meanwhile.
NOINLINE void after_go(void) {
  char c;
  if (write(1, "ready\n", 6) != 6 || read(0, &c, 1) < 0) _exit(3);
  null_write();
}

NOINLINE void sleep_forever(void) {
  for (;;) pause();
}

struct Kind {
  const char* name;
  void (*run)(void);
};

#define KIND(function) \
  { #function, &function }
static const struct Kind kKinds[] = {
    KIND(null_write),         KIND(null_read),    KIND(jump_null),    KIND(call_bad),     KIND(overflow),
    KIND(overflow_in_thread), KIND(smash),        KIND(noncanonical), KIND(misaligned),   KIND(divide),
    KIND(divide_overflow),    KIND(trap),         KIND(breakpoint),   KIND(privileged),   KIND(do_abort),
    KIND(bad_free),           KIND(write_rodata), KIND(run_heap),     KIND(past_eof),     KIND(in_handler),
    KIND(handled_and_raised), KIND(inlined),      KIND(jit),          KIND(many_threads), KIND(after_go),
    KIND(sleep_forever),      KIND(jit_unnamed),        KIND(handled_overflow)};

NOINLINE void middle(const char* name) {
  for (size_t i = 0; i < sizeof(kKinds) / sizeof(kKinds[0]); ++i) {
    if (strcmp(kKinds[i].name, name) == 0) kKinds[i].run();  // mark: middle
  }
  sink++;
}

NOINLINE void outer(const char* name) {
  middle(name);  // mark: outer
  sink++;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  outer(argv[1]);  // mark: main
  return 0;
}
