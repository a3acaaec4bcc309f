// A process that is suspended, killed, attached to and let go while it does what its first argument says.
//
// Each prints "ready" and what a test has to know, then takes commands on standard input, a byte each: 'g' goes on, and the
// end of the input ends the program with status 0.
#define _GNU_SOURCE
#include <errno.h>
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

static char* self;
static int pipe_in = -1;

static void Die(const char* what) {
  fprintf(stderr, "target_held: %s: %s\n", what, strerror(errno));
  _exit(90);
}

static void Say(const char* format, long a, long b) {
  printf(format, a, b);
  fflush(stdout);
}

// The next command; 0 at the end of the input.
static char Command(void) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(0, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1 ? byte : 0;
}

static pthread_t Start(void* (*run)(void*), void* argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, argument) != 0) Die("pthread_create");
  return thread;
}

// ---- registers ------------------------------------------------------------------------------------------------------

static volatile int stop_spinning;
static atomic_int spinner_tid;
static uint64_t seen[16];
static uint64_t seen_vectors[32];
static uint64_t seen_red_zone;
static uint8_t* block;
enum { kBlockBytes = 1 << 20, kRedZone = 0x5eed };

#if defined(__x86_64__)
// Fills the registers and the red zone with known values, spins until it is told to stop, and stores what it finds.
static void SpinWithKnownRegisters(void) {
  __asm__ volatile(
      "push %%rbp\n"
      "mov $0x1111, %%rax\n mov $0x2222, %%rbx\n mov $0x3333, %%rcx\n mov $0x4444, %%rdx\n"
      "mov $0x5555, %%rsi\n mov $0x6666, %%rdi\n mov $0x7777, %%rbp\n mov $0x8888, %%r8\n"
      "mov $0x9999, %%r9\n mov $0xaaaa, %%r10\n mov $0xbbbb, %%r11\n mov $0xcccc, %%r12\n"
      "mov $0xdddd, %%r13\n mov $0xeeee, %%r14\n mov $0xffff, %%r15\n"
      "movq %%rax, %%xmm0\n movq %%rbx, %%xmm1\n movq %%r15, %%xmm15\n"
      "movq $0x5eed, -64(%%rsp)\n"
      "1: cmpl $0, %[stop]\n"
      "je 1b\n"
      "mov %%rax, %[a0]\n mov %%rbx, 8+%[a0]\n mov %%rcx, 16+%[a0]\n mov %%rdx, 24+%[a0]\n"
      "mov %%rsi, 32+%[a0]\n mov %%rdi, 40+%[a0]\n mov %%rbp, 48+%[a0]\n mov %%r8, 56+%[a0]\n"
      "mov %%r9, 64+%[a0]\n mov %%r10, 72+%[a0]\n mov %%r11, 80+%[a0]\n mov %%r12, 88+%[a0]\n"
      "mov %%r13, 96+%[a0]\n mov %%r14, 104+%[a0]\n mov %%r15, 112+%[a0]\n"
      "movq %%xmm0, %[v0]\n movq %%xmm1, 8+%[v0]\n movq %%xmm15, 16+%[v0]\n"
      "mov -64(%%rsp), %%rax\n mov %%rax, %[red]\n"
      "pop %%rbp\n"
      : [a0] "=m"(seen), [v0] "=m"(seen_vectors), [red] "=m"(seen_red_zone)
      : [stop] "m"(stop_spinning)
      : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
        "xmm15", "memory", "cc");
}
#elif defined(__aarch64__)
// The same with x0 to x15, three of the vector registers and a word below the stack, which is not the program's own here and
// is not looked at.
static void SpinWithKnownRegisters(void) {
  __asm__ volatile(
      "mov x0, #0x1111\n mov x1, #0x2222\n mov x2, #0x3333\n mov x3, #0x4444\n"
      "mov x4, #0x5555\n mov x5, #0x6666\n mov x6, #0x7777\n mov x7, #0x8888\n"
      "mov x8, #0x9999\n mov x9, #0xaaaa\n mov x10, #0xbbbb\n mov x11, #0xcccc\n"
      "mov x12, #0xdddd\n mov x13, #0xeeee\n mov x14, #0xffff\n"
      "fmov d0, x0\n fmov d1, x1\n fmov d15, x14\n"
      "1: ldr w15, [%[stop]]\n cbz w15, 1b\n"
      "stp x0, x1, [%[to]]\n stp x2, x3, [%[to], #16]\n stp x4, x5, [%[to], #32]\n stp x6, x7, [%[to], #48]\n"
      "stp x8, x9, [%[to], #64]\n stp x10, x11, [%[to], #80]\n stp x12, x13, [%[to], #96]\n str x14, [%[to], #112]\n"
      "stp d0, d1, [%[vectors]]\n str d15, [%[vectors], #16]\n"
      :
      : [stop] "r"(&stop_spinning), [to] "r"(seen), [vectors] "r"(seen_vectors)
      : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "d0",
        "d1", "d15", "memory", "cc");
  seen_red_zone = kRedZone;
}
#elif defined(__riscv)
// The same with the registers that no compiler sets apart, and three of the floating-point registers; there is no red zone.
static void SpinWithKnownRegisters(void) {
  __asm__ volatile(
      "li a0, 0x1111\n li a1, 0x2222\n li a2, 0x3333\n li a3, 0x4444\n li a4, 0x5555\n li a5, 0x6666\n"
      "li a6, 0x7777\n li a7, 0x8888\n li t0, 0x9999\n li t1, 0xaaaa\n li t2, 0xbbbb\n li t3, 0xcccc\n"
      "li t4, 0xdddd\n li t5, 0xeeee\n li t6, 0xffff\n"
      "fmv.d.x ft0, a0\n fmv.d.x ft1, a1\n fmv.d.x fs1, t6\n"
      "1: lw s2, 0(%[stop])\n beqz s2, 1b\n"
      "sd a0, 0(%[to])\n sd a1, 8(%[to])\n sd a2, 16(%[to])\n sd a3, 24(%[to])\n sd a4, 32(%[to])\n"
      "sd a5, 40(%[to])\n sd a6, 48(%[to])\n sd a7, 56(%[to])\n sd t0, 64(%[to])\n sd t1, 72(%[to])\n"
      "sd t2, 80(%[to])\n sd t3, 88(%[to])\n sd t4, 96(%[to])\n sd t5, 104(%[to])\n sd t6, 112(%[to])\n"
      "fsd ft0, 0(%[vectors])\n fsd ft1, 8(%[vectors])\n fsd fs1, 16(%[vectors])\n"
      :
      : [stop] "r"(&stop_spinning), [to] "r"(seen), [vectors] "r"(seen_vectors)
      : "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "s2", "ft0", "ft1",
        "fs1", "memory");
  seen_red_zone = kRedZone;
}
#endif

static long DifferentRegisters(void) {
  long different = seen_red_zone != kRedZone;
  for (uint64_t i = 0; i < 15; i++) different += seen[i] != 0x1111 * (i + 1);
  different += seen_vectors[0] != 0x1111;
  different += seen_vectors[1] != 0x2222;
  different += seen_vectors[2] != 0xffff;
  return different;
}

static void* RunSpinner(void* unused) {
  atomic_store(&spinner_tid, gettid());
  SpinWithKnownRegisters();
  return unused;
}

static void Registers(void) {
  block = mmap(NULL, kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < kBlockBytes; i++) block[i] = (uint8_t)(i * 31);
  const pthread_t spinner = Start(RunSpinner, NULL);
  while (atomic_load(&spinner_tid) == 0) sched_yield();
  Say("ready %ld\n", atomic_load(&spinner_tid), 0);
  Command();
  stop_spinning = 1;
  pthread_join(spinner, NULL);
  long bytes = 0;
  for (size_t i = 0; i < kBlockBytes; i++) bytes += block[i] != (uint8_t)(i * 31);
  Say("registers %ld bytes %ld\n", DifferentRegisters(), bytes);
}

// ---- threads and processes, made as fast as it goes ------------------------------------------------------------------

enum { kMakers = 4, kStanding = 24 };
static atomic_int ended;
static atomic_long* made;  // on a page of its own
static atomic_long joined, forked, reaped;

static void* CountOne(void* unused) {
  atomic_fetch_add(made, 1);
  return unused;
}

// Threads make threads; each joins those that it made.
static void* MakeThreads(void* unused) {
  while (!atomic_load(&ended)) {
    pthread_join(Start(CountOne, NULL), NULL);
    atomic_fetch_add(&joined, 1);
  }
  return unused;
}

static void* MakeProcesses(void* unused) {
  while (!atomic_load(&ended)) {
    const pid_t child = fork();
    if (child == 0) _exit(7);
    if (child < 0) Die("fork");
    atomic_fetch_add(&forked, 1);
    int status = 0;
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7) {
      atomic_fetch_add(&reaped, 1);
    }
  }
  return unused;
}

static void* Stand(void* unused) {
  char byte;
  (void)!read(pipe_in, &byte, 1);
  return unused;
}

static void Storm(int makers, int processes) {
  pthread_t threads[2 * kMakers];
  pthread_t standing[kStanding];
  int ends[2];
  if (pipe(ends) != 0) Die("pipe");
  pipe_in = ends[0];
  made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < kStanding; i++) standing[i] = Start(Stand, NULL);
  for (int i = 0; i < makers; i++) threads[i] = Start(MakeThreads, NULL);
  for (int i = 0; i < processes; i++) threads[makers + i] = Start(MakeProcesses, NULL);
  Say("ready %ld\n", (long)made, 0);
  while (Command() != 0) Say("made %ld\n", atomic_load(made), 0);
  atomic_store(&ended, 1);
  for (int i = 0; i < makers + processes; i++) pthread_join(threads[i], NULL);
  close(ends[1]);
  for (int i = 0; i < kStanding; i++) pthread_join(standing[i], NULL);
  Say("lost threads %ld processes %ld\n", atomic_load(made) - joined, forked - reaped);
}

static void Births(void) { Storm(kMakers, 0); }
static void ThreadsAndForks(void) { Storm(kMakers, 2); }

// ---- one thread that something happens to ---------------------------------------------------------------------------

static atomic_int victim_tid;
static void (*what_victim_does)(void);

static void* RunVictim(void* unused) {
  atomic_store(&victim_tid, gettid());
  what_victim_does();
  return unused;
}

static void Spin(void) {
  while (!stop_spinning) {
  }
}

static void Sleep(void) {
  char byte;
  (void)!read(pipe_in, &byte, 1);
}

static atomic_int in_handler;
static void SpinInHandler(int signo) {
  (void)signo;
  atomic_store(&in_handler, 1);
  Sleep();
}

static void TakeSignal(void) {
  signal(SIGUSR1, SpinInHandler);
  raise(SIGUSR1);
}

static int go_pipe[2];
static void WaitForGo(void) {
  char byte;
  (void)!read(go_pipe[0], &byte, 1);
}

static atomic_int caught;
static void CatchTrap(int signo) {
  (void)signo;
  atomic_fetch_add(&caught, 1);
}

// Sent, not executed: on most machines the thread would stand before the instruction, and never get past it.
static void Break(void) {
  WaitForGo();
  syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGTRAP);
}

static void* volatile nothing;
static void Fault(void) {
  WaitForGo();
  *(volatile int*)nothing = 1;
}

// The program ends when the victim does, and says whether it came back by itself.
static void WithVictim(void (*does)(void)) {
  int ends[2];
  if (pipe(ends) != 0 || pipe(go_pipe) != 0) Die("pipe");
  pipe_in = ends[0];
  what_victim_does = does;
  const pthread_t victim = Start(RunVictim, NULL);
  while (atomic_load(&victim_tid) == 0) sched_yield();
  while (does == TakeSignal && !atomic_load(&in_handler)) sched_yield();
  Say("ready %ld\n", atomic_load(&victim_tid), 0);
  const int waits_for_go = does == Break || does == Fault;
  if (waits_for_go && Command() == 'g' && write(go_pipe[1], "g", 1) != 1) Die("write");
  pthread_join(victim, NULL);
  Say("joined, caught %ld\n", atomic_load(&caught), 0);
  while (Command() != 0) {
  }
}

static void VictimSpins(void) { WithVictim(Spin); }
static void VictimSleeps(void) { WithVictim(Sleep); }
static void VictimInHandler(void) { WithVictim(TakeSignal); }
static void VictimFaults(void) { WithVictim(Fault); }

// SIGTRAP is caught: whoever is asked first and does not answer keeps the handler from running.
static void VictimBreaks(void) {
  signal(SIGTRAP, CatchTrap);
  WithVictim(Break);
}

// ---- exec and vfork --------------------------------------------------------------------------------------------------

static void* ExecSelf(void* unused) {
  if (Command() != 'g') _exit(0);
  execl("/proc/self/exe", self, "wait", (char*)NULL);
  Die("exec");
  return unused;
}

static void ExecByThread(void) {
  int ends[2];
  if (pipe(ends) != 0) Die("pipe");
  pipe_in = ends[0];
  for (int i = 0; i < 4; i++) Start(Stand, NULL);
  Start(ExecSelf, NULL);
  Say("ready\n", 0, 0);
  while (1) pause();
}

static void Wait(void) {
  Say("ready\n", 0, 0);
  while (Command() != 0) Say("alive\n", 0, 0);
}

static void* AnswerForAll(void* unused) {
  if (Command() != 'g') _exit(0);
  atomic_store(&ended, 1);
  while (Command() != 0) Say("alive\n", 0, 0);
  _exit(0);
  return unused;
}

// At the first command the leader ends, and the program lives on without it.
static void Headless(void) {
  Start(AnswerForAll, NULL);
  Say("ready\n", 0, 0);
  while (!atomic_load(&ended)) sched_yield();
  syscall(SYS_exit, 0);
}

static void VforkChild(void) {
  const pid_t child = vfork();
  if (child == 0) {
    // The parent cannot run until this is over.
    if (write(1, "ready\n", 6) != 6) _exit(1);
    char byte;
    if (read(0, &byte, 1) != 1) _exit(2);
    execl("/proc/self/exe", self, "end", (char*)NULL);
    _exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Say("child %ld\n", status, 0);
  while (Command() != 0) {
  }
}

static int vfork_pipe[2];

static void* Vfork(void* unused) {
  const pid_t child = vfork();
  if (child == 0) {
    if (write(1, "ready\n", 6) != 6) _exit(1);
    char byte;
    _exit(read(vfork_pipe[0], &byte, 1) == 1 ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Say("child %ld\n", status, 0);
  return unused;
}

// A thread that cannot be stopped until the end of the input, and one that answers.
static void VforkInThread(void) {
  if (pipe(vfork_pipe) != 0) Die("pipe");
  const pthread_t thread = Start(Vfork, NULL);
  while (Command() != 0) Say("alive\n", 0, 0);
  if (write(vfork_pipe[1], "g", 1) != 1) Die("write");
  pthread_join(thread, NULL);
}

static void End(void) {}

static void* DoNothing(void* unused) { return unused; }

// A thread that ends by itself.
static void OneThread(void) { pthread_join(Start(DoNothing, NULL), NULL); }

// ---- threads in calls ------------------------------------------------------------------------------------------------

static void CountSignal(int signo) {
  (void)signo;
  atomic_fetch_add(&caught, 1);
}

// Counts a real-time signal, which queues: none may be lost.
static void CountSignals(void) {
  struct sigaction action = {.sa_handler = CountSignal, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN, &action, NULL);
  Say("ready\n", 0, 0);
  while (Command() != 0) {
  }
  Say("caught %ld\n", atomic_load(&caught), 0);
}

static const struct {
  const char* name;
  void (*run)(void);
} kModes[] = {
    {"registers", Registers},   {"births", Births},
    {"storm", ThreadsAndForks}, {"spin", VictimSpins},
    {"sleep", VictimSleeps},    {"handler", VictimInHandler},
    {"fault", VictimFaults},    {"break", VictimBreaks},
    {"exec", ExecByThread},     {"wait", Wait},
    {"vfork", VforkChild},      {"end", End},
    {"signals", CountSignals},  {"headless", Headless},
    {"thread", OneThread},      {"vforker", VforkInThread},
};

int main(int argc, char** argv) {
  self = argv[0];
  // The kernel keeps SIGTSTP and its like from orphaned groups, and ours may be one. A group of our own is not: our parent
  // stands outside.
  setpgid(0, 0);
  for (size_t i = 0; argc == 2 && i < sizeof kModes / sizeof kModes[0]; i++) {
    if (strcmp(kModes[i].name, argv[1]) != 0) continue;
    kModes[i].run();
    return 0;
  }
  return 91;
}
