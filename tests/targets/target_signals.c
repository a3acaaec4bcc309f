// Signals as a program sees them, as the first argument says; every line printed is the same from run to run.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "target_machine.h"

static int count;
static sigset_t set;

static void Block(int signo) {
  sigemptyset(&set), sigaddset(&set, signo);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

static void Catch(int signo, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigaction(signo, &action, NULL);
}

// ---- what siginfo says ------------------------------------------------------------------------------------------------

static const char* Who(pid_t pid) {
  if (pid == 0) return "kernel";
  if (pid == getpid()) return "self";
  return pid == getppid() ? "parent" : "other";
}

static void SayInfo(const char* what, const siginfo_t* info) {
  printf("%s: signal %d errno %d code %d", what, info->si_signo, info->si_errno, info->si_code);
  switch (info->si_code) {
    case SI_TIMER:
      printf(" overrun %d value %d\n", info->si_overrun, info->si_value.sival_int);
      return;
    case SI_SIGIO:
    case POLL_IN:
      printf(" band %lx fd %d\n", (long)info->si_band, info->si_fd >= 0);
      return;
    default:
      printf(" from %s uid %d value %d\n", Who(info->si_pid), info->si_uid == getuid(),
             info->si_code == SI_QUEUE || info->si_code == SI_MESGQ ? info->si_value.sival_int : 0);
  }
}

static void WaitAndSay(const char* what) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  sigwaitinfo(&set, &info);
  SayInfo(what, &info);
}

static void TimerInfo(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
  Block(SIGRTMIN);
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  const struct itimerspec once = {.it_value.tv_nsec = 1000000};
  timer_settime(timer, 0, &once, NULL);
  WaitAndSay("timer_create");
  timer_delete(timer);
}

static void AlarmInfo(void) {
  Block(SIGALRM);
  const struct itimerval once = {.it_value.tv_usec = 1000};
  setitimer(ITIMER_REAL, &once, NULL);
  WaitAndSay("setitimer");
}

static void QueueInfo(void) {
  const siginfo_t own = {.si_signo = SIGRTMIN + 1, .si_code = -77, .si_errno = 5, .si_pid = 4321};
  Block(SIGRTMIN + 1);
  kill(getpid(), SIGRTMIN + 1);
  WaitAndSay("kill");
  sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 123456});
  WaitAndSay("sigqueue");
  syscall(SYS_tgkill, getpid(), gettid(), SIGRTMIN + 1);
  WaitAndSay("tgkill");
  syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 1, &own);
  WaitAndSay("rt_sigqueueinfo");
}

static void MessageInfo(void) {
  struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 9};
  char name[64];
  snprintf(name, sizeof name, "/target_signals.%d", getpid());
  const mqd_t queue = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
  mq_unlink(name);
  Block(SIGUSR1);
  mq_notify(queue, &event);
  mq_send(queue, "x", 1, 0);
  WaitAndSay("mq_notify");
}

static void IoInfo(void) {
  int ends[2];
  if (pipe(ends) != 0) exit(60);
  Block(SIGRTMIN + 2);
  fcntl(ends[0], F_SETOWN, getpid());
  fcntl(ends[0], F_SETSIG, SIGRTMIN + 2);
  fcntl(ends[0], F_SETFL, O_ASYNC);
  if (write(ends[1], "x", 1) != 1) exit(61);
  WaitAndSay("F_SETSIG");
}

static void Info(void) {
  TimerInfo();
  AlarmInfo();
  QueueInfo();
  MessageInfo();
  IoInfo();
}

// ---- faults that the program handles ----------------------------------------------------------------------------------

static sigjmp_buf back;
static siginfo_t seen;
static long seen_trap, seen_error;

static void JumpBack(int signo, siginfo_t* info, void* context) {
  (void)signo;
  seen = *info;
#ifdef __x86_64__
  seen_trap = ((ucontext_t*)context)->uc_mcontext.gregs[REG_TRAPNO];
  seen_error = ((ucontext_t*)context)->uc_mcontext.gregs[REG_ERR];
#else
  (void)context;
#endif
  siglongjmp(back, 1);
}

static void Provoke(const char* what, void (*fault)(void)) {
  memset(&seen, 0, sizeof seen);
  if (sigsetjmp(back, 1) == 0) fault();
  printf("%s: signal %d code %d address %d trap %ld error %ld\n", what, seen.si_signo, seen.si_code,
         (int)((uintptr_t)seen.si_addr < 65536 ? (uintptr_t)seen.si_addr : 1), seen_trap, seen_error);
}

static char* page;
static volatile int zero;
static void ReadNull(void) { zero = *(volatile int*)16; }
static void WriteReadOnly(void) { *(volatile char*)page = 1; }
static void Divide(void) { zero = 100 / zero; }
static void Illegal(void) { ZX_UNDEFINED_INSTRUCTION(); }
static void Breakpoint(void) { ZX_BREAKPOINT(); }
#ifdef __x86_64__
static void NonCanonical(void) { zero = *(volatile int*)0x8000000000000000; }
static void Step(void) { __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc"); }
#endif
static void PastEnd(void) {
  const int fd = fileno(tmpfile());
  char* map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  zero = *(volatile char*)map;
}

static void Faults(void) {
  page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) Catch(signals[i], JumpBack, 0);
  Provoke("read of null", ReadNull);
  Provoke("write to a read-only page", WriteReadOnly);
  zero = 0;
  Provoke("division by zero", Divide);  // a fault on x86 only
  Provoke("undefined instruction", Illegal);
  Provoke("breakpoint", Breakpoint);
#ifdef __x86_64__
  Provoke("non-canonical address", NonCanonical);
  Provoke("trap flag", Step);
#endif
  Provoke("past the end of a file", PastEnd);
}

static void ManyFaults(void) {
  static int i;
  Catch(SIGSEGV, JumpBack, 0);
  for (i = 0; i < count; i++) {
    if (sigsetjmp(back, 1) == 0) ReadNull();
  }
  printf("faults survived: %d\n", i);
}

static atomic_int repaired;

static void Repair(int signo, siginfo_t* info, void* context) {
  (void)signo, (void)info;
  atomic_fetch_add(&repaired, 1);
  ZX_SKIP_UNDEFINED_AND_RETURN((ucontext_t*)context, 7);
}

static void ChangedContext(void) {
  int wrong = 0;
  Catch(SIGILL, Repair, 0);
  for (int i = 0; i < count; i++) {
    int value = 3;
    ZX_UNDEFINED_INSTRUCTION_RETURNING(value);
    wrong += value != 7;
  }
  printf("repaired %d wrong %d\n", atomic_load(&repaired), wrong);
}

// ---- handlers -----------------------------------------------------------------------------------------------------------

static volatile int depth, deepest;
static volatile int rounds;

static void Nest(int signo, siginfo_t* info, void* context) {
  (void)info, (void)context;
  if (++depth > deepest) deepest = depth;
  if (++rounds < 5) raise(signo);
  depth--;
}

static void SayMask(int signo, siginfo_t* info, void* context) {
  sigset_t now;
  stack_t stack;
  (void)info, (void)context;
  sigprocmask(SIG_BLOCK, NULL, &now);
  sigaltstack(NULL, &stack);
  printf("in handler of %d: blocked self %d, USR2 %d, TERM %d, on the alternate stack %d\n", signo,
         sigismember(&now, signo), sigismember(&now, SIGUSR2), sigismember(&now, SIGTERM),
         stack.ss_flags == SS_ONSTACK);
}

static void NestWith(const char* what, int flags) {
  depth = deepest = rounds = 0;
  Catch(SIGUSR1, Nest, flags);
  raise(SIGUSR1);
  printf("%s: rounds %d deepest %d\n", what, rounds, deepest);
}

static void Handlers(void) {
  static char stack[65536];
  const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  NestWith("plain", 0);
  NestWith("SA_NODEFER", SA_NODEFER);
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = SayMask, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  Catch(SIGUSR1, SayMask, SA_RESETHAND);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &action);
  printf("after SA_RESETHAND: default %d\n", action.sa_handler == SIG_DFL);
}

static void Pending(void) {
  sigset_t pending;
  siginfo_t info;
  const struct timespec none = {0};
  Block(SIGUSR1);
  for (int i = 0; i < 3; i++) kill(getpid(), SIGUSR1);
  sigpending(&pending);
  int arrived = 0;
  while (sigtimedwait(&set, &info, &none) > 0) arrived++;
  printf("pending %d, of 3 arrived %d\n", sigismember(&pending, SIGUSR1), arrived);
  Block(SIGRTMIN + 5);
  for (int i = 0; i < 3; i++) kill(getpid(), SIGRTMIN + 5);
  for (arrived = 0; sigtimedwait(&set, &info, &none) > 0;) arrived++;
  printf("of 3 real-time arrived %d\n", arrived);
}

static void Signalfd(void) {
  struct signalfd_siginfo info;
  Block(SIGRTMIN + 4);
  const int fd = signalfd(-1, &set, 0);
  for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = 10 + i});
  for (int i = 0; i < 3; i++) {
    if (read(fd, &info, sizeof info) != sizeof info) exit(62);
    printf("signalfd %u code %d value %d\n", info.ssi_signo, info.ssi_code, info.ssi_int);
  }
}

// ---- storms ---------------------------------------------------------------------------------------------------------------

static atomic_int next[3], disorder;
static atomic_int* received;  // shared with the sender

static void Receive(int signo, siginfo_t* info, void* context) {
  (void)context;
  const int which = signo - SIGRTMIN;
  if (info->si_value.sival_int != atomic_fetch_add(&next[which], 1)) atomic_fetch_add(&disorder, 1);
  atomic_fetch_add(received, 1);
}

// Keeps a thousand signals queued, but not all: the kernel walks the queue for each.
static void SendMany(pid_t receiver) {
  for (int i = 0; i < count; i++) {
    while (atomic_load(received) < i - 1000) sched_yield();
    while (sigqueue(receiver, SIGRTMIN + i % 3, (union sigval){.sival_int = i / 3}) != 0) sched_yield();
  }
}

static void Storm(void) {
  const pid_t receiver = getpid();
  received = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 3; i++) Catch(SIGRTMIN + i, Receive, SA_RESTART);
  const pid_t sender = fork();
  if (sender == 0) {
    SendMany(receiver);
    _exit(0);
  }
  waitpid(sender, NULL, 0);
  while (atomic_load(received) < count) sched_yield();
  printf("received %d, out of order %d\n", atomic_load(received), atomic_load(&disorder));
}

static atomic_int hits[4];
static __thread int own_number;

static void Hit(int signo, siginfo_t* info, void* context) {
  (void)signo, (void)info, (void)context;
  atomic_fetch_add(&hits[own_number], 1);
}

static atomic_int started, stopping;

static void* Hitter(void* number) {
  own_number = (int)(intptr_t)number;
  atomic_fetch_add(&started, 1);
  while (!atomic_load(&stopping)) sched_yield();
  return NULL;
}

// Signals for one thread reach that thread, each once.
static void ThreadSignals(void) {
  pthread_t threads[4];
  Catch(SIGUSR1, Hit, SA_RESTART);
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, Hitter, (void*)(intptr_t)i);
  while (atomic_load(&started) < 4) sched_yield();
  for (int round = 0; round < count; round++) {
    for (int i = 0; i < 4; i++) {
      const int before = atomic_load(&hits[i]);
      pthread_kill(threads[i], SIGUSR1);
      while (atomic_load(&hits[i]) == before) sched_yield();
    }
  }
  atomic_store(&stopping, 1);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 4; i++) printf("thread %d: %d\n", i, atomic_load(&hits[i]));
}

// ---- deaths -----------------------------------------------------------------------------------------------------------------

static void BlockedFault(void) {
  Block(SIGSEGV);
  ReadNull();
}

static void IgnoredFault(void) {
  signal(SIGSEGV, SIG_IGN);
  ReadNull();
}

static void Reraise(int signo, siginfo_t* info, void* context) {
  (void)info, (void)context;
  signal(signo, SIG_DFL);
  raise(signo);
}

static void HandlerReraises(void) {
  Catch(SIGSEGV, Reraise, 0);
  ReadNull();
}

static void Return(int signo, siginfo_t* info, void* context) { (void)signo, (void)info, (void)context; }

static void AbortCaught(void) {
  Catch(SIGABRT, Return, 0);
  abort();
}

static int Recurse(int level) {
  volatile char room[4096];
  room[0] = (char)level;
  return level < 0 ? 0 : Recurse(level + 1) + room[0];
}

static void Overflow(void) {
  Catch(SIGSEGV, Return, 0);
  Recurse(0);
}

static const struct {
  const char* name;
  void (*run)(void);
} kCases[] = {
    {"info", Info},
    {"faults", Faults},
    {"many-faults", ManyFaults},
    {"context", ChangedContext},
    {"handlers", Handlers},
    {"pending", Pending},
    {"signalfd", Signalfd},
    {"storm", Storm},
    {"threads", ThreadSignals},
    {"blocked-fault", BlockedFault},
    {"ignored-fault", IgnoredFault},
    {"reraise", HandlerReraises},
    {"abort-caught", AbortCaught},
    {"overflow", Overflow},
};

int main(int argc, char** argv) {
  count = argc > 2 ? atoi(argv[2]) : 0;
  for (size_t i = 0; argc > 1 && i < sizeof kCases / sizeof kCases[0]; i++) {
    if (strcmp(argv[1], kCases[i].name) == 0) return kCases[i].run(), 0;
  }
  return 78;
}
