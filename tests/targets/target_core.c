// Crashes in crash_here(), called by crash_middle() and crash_outer(), with values that a debugger has to find in a core.
//   target_core plain       one thread
//   target_core threads     three more threads, blocked in park_one(), park_two() and park_three()
//   target_core leaderless  the first thread has ended, another one crashes
//   target_core large       a mapping of 6 GiB of which the first MiB and the last page are used
// All have a page that is excluded from cores.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int core_initialised = 1234;
int core_untouched;
const char* core_heap;
char* core_large;
char* core_excluded;

enum { kParked = 3 };
static const size_t kLargeBytes = 6ull << 30;
static pthread_barrier_t parked;
static pthread_t leader;

static void park(void) {
  pthread_barrier_wait(&parked);
  for (;;) pause();
}

static void park_one(void) { park(); }
static void park_two(void) { park(); }
static void park_three(void) { park(); }

static void* run_parked(void* function) {
  ((void (*)(void))function)();
  return NULL;
}

static void crash_here(int depth) {
  volatile int local = depth * 100;
  core_initialised += local;
  const uint64_t pattern[2] = {0x1122334455667788, 0x99aabbccddeeff00};
#if defined(__x86_64__)
  __asm__ volatile("movdqu %0, %%xmm7\n\tmovl $0, (%1)"
                   :
                   : "m"(pattern), "r"((uintptr_t)local - 700 + 0x10)
                   : "xmm7", "memory");
#elif defined(__aarch64__)
  __asm__ volatile("ldr q7, %0\n\tstr wzr, [%1]"
                   :
                   : "m"(pattern), "r"((uintptr_t)local - 700 + 0x10)
                   : "v7", "memory");
#elif defined(__riscv)
  __asm__ volatile("fld ft7, %0\n\tsw zero, 0(%1)"
                   :
                   : "m"(pattern), "r"((uintptr_t)local - 700 + 0x10)
                   : "ft7", "memory");
#endif
}

static void crash_middle(int depth) { crash_here(depth + 1); }
static void crash_outer(int depth) { crash_middle(depth + 1); }

static void start_parked(void) {
  pthread_barrier_init(&parked, NULL, kParked + 1);
  void* functions[kParked] = {(void*)park_one, (void*)park_two, (void*)park_three};
  for (int i = 0; i < kParked; ++i) {
    pthread_t thread;
    pthread_create(&thread, NULL, run_parked, functions[i]);
  }
  pthread_barrier_wait(&parked);
}

static void* crash_after_leader(void* unused) {
  pthread_join(leader, NULL);
  crash_outer(5);
  return unused;
}

static void end_leader(void) {
  leader = pthread_self();
  pthread_t thread;
  pthread_create(&thread, NULL, crash_after_leader, NULL);
  pthread_exit(NULL);
}

static char* map_large(size_t bytes) {
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void use_large(void) {
  core_large = map_large(kLargeBytes);
  madvise(core_large, kLargeBytes, MADV_NOHUGEPAGE);
  strcpy(core_large, "first page");
  memset(core_large + 4096, 'x', 1 << 20);
  strcpy(core_large + kLargeBytes - 4096, "last page");
}

static void use_excluded(void) {
  core_excluded = map_large(4096);
  // "the secret that is not dumped", of which the program's file has no copy.
  const char* next = "uif!tfdsfu!uibu!jt!opu!evnqfe";
  for (char* to = core_excluded; *next != '\0'; ++to, ++next) *to = (char)(*next - 1);
  madvise(core_excluded, 4096, MADV_DONTDUMP);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "plain";
  core_heap = strdup("text on the heap");
  use_excluded();
  if (strcmp(mode, "threads") == 0) start_parked();
  if (strcmp(mode, "leaderless") == 0) end_leader();
  if (strcmp(mode, "large") == 0) use_large();
  crash_outer(5);
  return 0;
}
