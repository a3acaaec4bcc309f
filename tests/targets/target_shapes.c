// Odd shapes of processes and threads, as the first argument says; every line printed is the same from run to run.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kStack = 64 * 1024 };
static volatile int shared;
static atomic_int counter;
static int count;
static const char* self;

static void SayStatus(const char* what, int status) {
  if (WIFEXITED(status)) printf("%s: exit %d\n", what, WEXITSTATUS(status));
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", what, WTERMSIG(status));
}

static char* NewStack(void) {
  return (char*)mmap(NULL, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + kStack;
}

static void ExecSelf(const char* mode, int argument) {
  char number[16], pid[16];
  snprintf(number, sizeof number, "%d", argument);
  snprintf(pid, sizeof pid, "%d", getpid());
  execl(self, self, mode, number, pid, NULL);
  _exit(70);
}

// ---- exec -----------------------------------------------------------------------------------------------------------

static void* ExecSay(void* unused) {
  (void)unused;
  ExecSelf("say-pid", 0);
  return NULL;
}

static void ExecThread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, ExecSay, NULL);
  while (1) pause();
}

static void SayPid(const char* pid) {
  printf("exec kept the pid: %d\n", atoi(pid) == getpid() && gettid() == getpid());
}

static void* Nothing(void* unused) { return unused; }

static void* CloneForever(void* unused) {
  while (1) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, Nothing, NULL) == 0) pthread_join(thread, NULL);
    atomic_fetch_add(&counter, 1);
  }
  return unused;
}

static void* ExecAgain(void* unused) {
  while (atomic_load(&counter) < 20) sched_yield();
  ExecSelf("exec-storm", count - 1);
  return unused;
}

// Three threads create threads while a fourth execs; `count` times over.
static void ExecStorm(void) {
  if (count <= 0) {
    printf("survived every exec\n");
    return;
  }
  pthread_t thread;
  for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, CloneForever, NULL);
  pthread_create(&thread, NULL, ExecAgain, NULL);
  while (1) pause();
}

// ---- fork and clone -------------------------------------------------------------------------------------------------

static void Vfork(void) {
  static int wrong, i;  // not on the stack that the child shares
  for (i = 0; i < count; i++) {
    const pid_t child = vfork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", "exit 3", NULL);
      _exit(71);
    }
    int status = 0;
    wrong += waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3;
  }
  const pid_t child = vfork();
  if (child == 0) {
    shared = 5;
    _exit(4);
  }
  int status;
  waitpid(child, &status, 0);
  SayStatus("vfork without exec", status);
  printf("memory shared: %d, wrong: %d\n", shared == 5, wrong);
}

static int SetShared(void* value) {
  shared = (int)(intptr_t)value;
  return 3;
}

static void CloneWith(const char* name, unsigned long flags, int value) {
  shared = 0;
  int status = 0;
  const pid_t child = clone(SetShared, NewStack(), (int)flags, (void*)(intptr_t)value);
  const pid_t got = waitpid(child, &status, __WALL);
  printf("%s: waited %d, memory shared %d\n", name, got == child, shared == value);
  SayStatus(name, status);
}

static void CloneFlags(void) {
  CloneWith("CLONE_VM", CLONE_VM | SIGCHLD, 1);
  CloneWith("CLONE_VM without a signal", CLONE_VM, 2);
  CloneWith("CLONE_VM with SIGURG", CLONE_VM | SIGURG, 3);
  CloneWith("CLONE_VM|CLONE_VFORK", CLONE_VM | CLONE_VFORK | SIGCHLD, 4);
  CloneWith("CLONE_VFORK", CLONE_VFORK | SIGCHLD, 5);
  CloneWith("CLONE_UNTRACED", CLONE_UNTRACED | SIGCHLD, 6);
  CloneWith("CLONE_UNTRACED|CLONE_VM", CLONE_UNTRACED | CLONE_VM | SIGCHLD, 7);
  CloneWith("CLONE_FILES|CLONE_FS|CLONE_VM|CLONE_SIGHAND", CLONE_FILES | CLONE_FS | CLONE_VM | CLONE_SIGHAND | SIGCHLD,
            8);
}

static int CloneSibling(void* unused) {
  (void)unused;
  return clone(SetShared, NewStack(), CLONE_PARENT | CLONE_VM | SIGCHLD, (void*)9) > 0 ? 0 : 72;
}

static void CloneParent(void) {
  int status, total = 0;
  clone(CloneSibling, NewStack(), CLONE_VM | SIGCHLD, NULL);
  for (int i = 0; i < 2; i++) {
    if (waitpid(-1, &status, 0) > 0) total += WEXITSTATUS(status);
  }
  const pid_t nobody = waitpid(-1, &status, 0);
  printf("both are children of the program: %d, then %d %s\n", total == 3, nobody, strerrorname_np(errno));
}

static atomic_int thread_tid;

static int RawThread(void* unused) {
  (void)unused;
  atomic_fetch_add(&counter, gettid() != getpid());
  syscall(SYS_exit, 0);
  return 0;
}

static void CloneThread(void) {
  const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                    CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID;
  for (int i = 0; i < count; i++) {
    atomic_store(&thread_tid, -1);
    char* stack = NewStack();
    clone(RawThread, stack, flags | (i % 2 ? SIGCHLD : 0), NULL, &thread_tid, NULL, &thread_tid);
    for (int tid; (tid = atomic_load(&thread_tid)) != 0;) syscall(SYS_futex, &thread_tid, 0, tid, NULL, NULL, 0);
    munmap(stack - kStack, kStack);
  }
  printf("raw threads: %d\n", atomic_load(&counter));
}

static void Clone3(void) {
  int pidfd = -1, status;
  struct clone_args arguments = {
      .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
  const pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(11);
  siginfo_t info;
  waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT);
  printf("clone3: waitid status %d\n", info.si_status);
  waitpid(child, &status, 0);
  SayStatus("clone3", status);
}

// ---- storms ---------------------------------------------------------------------------------------------------------

static void* CreateMany(void* unused) {
  (void)unused;
  for (int i = 0; i < count / 4; i++) {
    pthread_t thread;
    while (pthread_create(&thread, NULL, Nothing, NULL) != 0) sched_yield();
    pthread_join(thread, NULL);
    atomic_fetch_add(&counter, 1);
  }
  return NULL;
}

static void ThreadStorm(void) {
  pthread_t creators[4];
  for (int i = 0; i < 4; i++) pthread_create(&creators[i], NULL, CreateMany, NULL);
  for (int i = 0; i < 4; i++) pthread_join(creators[i], NULL);
  printf("threads: %d\n", atomic_load(&counter));
}

static void ForkStorm(void) {
  long sum = 0, killed = 0;
  for (int i = 0; i < count; i++) {
    const pid_t child = fork();
    if (child == 0 && i % 5 == 4) raise(SIGKILL);
    if (child == 0) _exit(i % 200);
  }
  for (int status; wait(&status) > 0;) {
    if (WIFSIGNALED(status)) killed++;
    if (WIFEXITED(status)) sum += WEXITSTATUS(status);
  }
  printf("sum of exits %ld, killed %ld\n", sum, killed);
}

static pthread_barrier_t barrier;

static void* WaitAtBarrier(void* unused) {
  pthread_barrier_wait(&barrier);
  atomic_fetch_add(&counter, 1);
  return unused;
}

// `count` threads that are all there at the same time.
static void ManyThreads(void) {
  pthread_t* threads = calloc((size_t)count, sizeof *threads);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
  for (int i = 0; i < count; i++) pthread_create(&threads[i], &attributes, WaitAtBarrier, NULL);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  printf("threads at once: %d\n", atomic_load(&counter));
}

// A victim that is never in the same place: threads that create threads and processes.
static void* Restless(void* unused) {
  while (1) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, Nothing, NULL) == 0) pthread_join(thread, NULL);
    const pid_t child = vfork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  return unused;
}

static void Victim(int ready) {
  pthread_t thread;
  for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, Restless, NULL);
  if (write(ready, "r", 1) != 1) _exit(73);
  Restless(NULL);
}

static void KillStorm(void) {
  int killed = 0, ready[2];
  unsigned random = 12345;
  if (pipe(ready) != 0) exit(74);
  for (int i = 0; i < count; i++) {
    const pid_t child = fork();
    if (child == 0) Victim(ready[1]);
    char byte;
    int status;
    if (read(ready[0], &byte, 1) != 1) exit(75);
    random = random * 1103515245 + 12345;
    for (unsigned spin = random % 200000; spin > 0; spin--) __asm__ volatile("");
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  printf("killed: %d\n", killed);
}

// ---- leaders --------------------------------------------------------------------------------------------------------

static void* WorkWithoutLeader(void* unused) {
  char path[64], line[512];
  do {
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    FILE* file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) exit(76);
    fclose(file);
  } while (strrchr(line, ')')[2] != 'Z');
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, Nothing, NULL);
    pthread_join(thread, NULL);
    int status;
    const pid_t child = fork();
    if (child == 0) _exit(9);
    waitpid(child, &status, 0);
    shared += WEXITSTATUS(status);
  }
  printf("without a leader: %d\n", shared);
  exit(12);
  return unused;
}

static void LeaderExits(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, WorkWithoutLeader, NULL);
  pthread_exit(NULL);
}

static void* ExecWithoutLeader(void* unused) {
  char line[512];
  do {
    FILE* file = fopen("/proc/self/stat", "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) exit(76);
    fclose(file);
  } while (strrchr(line, ')')[2] != 'Z');
  ExecSelf("say-pid", 0);
  return unused;
}

static void LeaderExitsThenExec(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, ExecWithoutLeader, NULL);
  pthread_exit(NULL);
}

static const struct {
  const char* name;
  void (*run)(void);
} kShapes[] = {
    {"exec-thread", ExecThread},
    {"exec-storm", ExecStorm},
    {"vfork", Vfork},
    {"clone-flags", CloneFlags},
    {"clone-parent", CloneParent},
    {"clone-thread", CloneThread},
    {"clone3", Clone3},
    {"thread-storm", ThreadStorm},
    {"fork-storm", ForkStorm},
    {"many-threads", ManyThreads},
    {"kill-storm", KillStorm},
    {"leader-exits", LeaderExits},
    {"leader-exits-then-exec", LeaderExitsThenExec},
};

int main(int argc, char** argv) {
  if (argc < 2) return 77;
  self = argv[0];
  count = argc > 2 ? atoi(argv[2]) : 0;
  if (strcmp(argv[1], "say-pid") == 0) return SayPid(argv[3]), 0;
  for (size_t i = 0; i < sizeof kShapes / sizeof kShapes[0]; i++) {
    if (strcmp(argv[1], kShapes[i].name) == 0) return kShapes[i].run(), 0;
  }
  return 78;
}
