// Job control as a parent sees it, as the first argument says; every line printed is the same from run to run.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 8 };
static atomic_long* ticks;  // shared with the child
static pid_t child;

static void SayWait(int options) {
  siginfo_t info = {.si_pid = 0};
  const int result = waitid(P_PID, (id_t)child, &info, options);
  if (result != 0) {
    printf("waitid: %s\n", strerrorname_np(errno));
  } else if (info.si_pid == 0) {
    printf("nothing to wait for\n");
  } else {
    printf("code %d status %d pid %d uid %d\n", info.si_code, info.si_status, info.si_pid == child,
           info.si_uid == getuid());
  }
}

static void StartChild(void (*run)(void)) {
  int ready[2];
  char byte;
  fflush(stdout);
  if (pipe(ready) != 0) exit(60);
  child = fork();
  if (child == 0) {
    if (write(ready[1], "r", 1) != 1) _exit(61);
    run();
    _exit(0);
  }
  if (read(ready[0], &byte, 1) != 1) exit(62);
}

static void PauseForever(void) {
  while (1) pause();
}

static void Finish(void) {
  kill(child, SIGKILL);
  SayWait(WEXITED);
}

static void StopAndContinue(int signo) {
  printf("stop by %s\n", sigabbrev_np(signo));
  kill(child, signo);
  SayWait(WSTOPPED);
  SayWait(WSTOPPED | WNOHANG);
  kill(child, SIGCONT);
  SayWait(WCONTINUED);
  SayWait(WCONTINUED | WNOHANG);
}

static void Sequence(void) {
  StartChild(PauseForever);
  const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (int i = 0; i < 4; i++) StopAndContinue(stops[i]);
  kill(child, SIGSTOP);
  SayWait(WSTOPPED | WNOWAIT);
  SayWait(WSTOPPED);
  kill(child, SIGSTOP);
  SayWait(WSTOPPED | WNOHANG);
  kill(child, SIGTERM);
  SayWait(WEXITED | WNOHANG);
  kill(child, SIGCONT);
  SayWait(WEXITED);
}

static void KillStopped(void) {
  StartChild(PauseForever);
  kill(child, SIGSTOP);
  SayWait(WSTOPPED);
  Finish();
}

static void StopSelf(void) {
  for (int i = 0; i < 5; i++) raise(SIGSTOP);
  _exit(17);
}

static void SelfStop(void) {
  StartChild(StopSelf);
  for (int i = 0; i < 5; i++) {
    SayWait(WSTOPPED);
    kill(child, SIGCONT);
  }
  SayWait(WEXITED);
}

static void* Tick(void* counter) {
  while (1) {
    atomic_fetch_add((atomic_long*)counter, 1);
    sched_yield();
  }
  return NULL;
}

static void TickInThreads(void) {
  pthread_t thread;
  for (long i = 1; i < kThreads; i++) pthread_create(&thread, NULL, Tick, &ticks[i]);
  Tick(&ticks[0]);
}

static void AwaitMoving(void) {
  for (int i = 0; i < kThreads; i++) {
    const long before = atomic_load(&ticks[i]);
    while (atomic_load(&ticks[i]) == before) sched_yield();
  }
}

static int StandStill(void) {
  long before[kThreads];
  for (int i = 0; i < kThreads; i++) before[i] = atomic_load(&ticks[i]);
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  for (int i = 0; i < kThreads; i++) {
    if (atomic_load(&ticks[i]) != before[i]) return 0;
  }
  return 1;
}

static void Threads(void) {
  StartChild(TickInThreads);
  for (int round = 0; round < 10; round++) {
    AwaitMoving();
    kill(child, round % 2 ? SIGSTOP : SIGTSTP);
    SayWait(WSTOPPED);
    printf("all threads stand still: %d\n", StandStill());
    kill(child, SIGCONT);
    SayWait(WCONTINUED);
  }
  AwaitMoving();
  Finish();
}

static void* Nothing(void* unused) { return unused; }

static void CreateForever(void) {
  while (1) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, Nothing, NULL) == 0) pthread_join(thread, NULL);
    atomic_fetch_add(ticks, 1);
  }
}

static void* CreateInThread(void* unused) {
  CreateForever();
  return unused;
}

static void CreateInThreads(void) {
  pthread_t thread;
  for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, CreateInThread, NULL);
  CreateForever();
}

static void WhileCloning(void) {
  StartChild(CreateInThreads);
  for (int round = 0; round < 100; round++) {
    const long before = atomic_load(ticks);
    while (atomic_load(ticks) < before + 3) sched_yield();
    kill(child, SIGSTOP);
    SayWait(WSTOPPED);
    kill(child, SIGCONT);
    SayWait(WCONTINUED);
  }
  Finish();
}

static int handled[2];  // the numbers of the signals that handlers have seen

static void OnSignal(int signo) {
  const char byte = (char)signo;
  if (write(handled[1], &byte, 1) != 1) _exit(63);
}

static void AwaitHandler(void) {
  char byte;
  if (read(handled[0], &byte, 1) != 1) exit(65);
  printf("handler %s\n", sigabbrev_np(byte));
}

static void CatchThem(void) {
  struct sigaction action = {.sa_handler = OnSignal};
  if (pipe(handled) != 0) exit(66);
  sigaction(SIGCONT, &action, NULL);
  sigaction(SIGTSTP, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
}

// Handlers of SIGTSTP and SIGCONT run, and signals sent to a stopped process arrive when it goes on.
static void HandlersAroundAStop(void) {
  CatchThem();
  StartChild(PauseForever);
  kill(child, SIGTSTP);
  AwaitHandler();
  kill(child, SIGSTOP);
  SayWait(WSTOPPED);
  kill(child, SIGUSR1);
  SayWait(WSTOPPED | WNOHANG);
  kill(child, SIGCONT);
  SayWait(WCONTINUED);
  AwaitHandler();
  AwaitHandler();
  kill(child, SIGSTOP);
  SayWait(WSTOPPED);
  Finish();
}

// What SIGCHLD says about each change of the child.
static void ChildSignals(void) {
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set), sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  StartChild(PauseForever);
  const int signals[] = {SIGSTOP, SIGCONT, SIGTSTP, SIGCONT, SIGKILL};
  for (int i = 0; i < 5; i++) {
    kill(child, signals[i]);
    sigwaitinfo(&set, &info);
    printf("SIGCHLD code %d status %d pid %d\n", info.si_code, info.si_status, info.si_pid == child);
    SayWait(WSTOPPED | WCONTINUED | WEXITED);
  }
  const struct timespec none = {0};
  printf("no further SIGCHLD: %d\n", sigtimedwait(&set, &info, &none) == -1);
}

static void NoSignalForStops(void) {
  sigset_t set;
  siginfo_t info;
  struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
  sigaction(SIGCHLD, &action, NULL);
  sigemptyset(&set), sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  StartChild(PauseForever);
  StopAndContinue(SIGSTOP);
  const struct timespec none = {0};
  printf("SIGCHLD for a stop: %d\n", sigtimedwait(&set, &info, &none) == SIGCHLD);
  Finish();
}

static void StopThenEnd(void) {
  signal(SIGHUP, OnSignal);
  signal(SIGCONT, OnSignal);
  raise(SIGSTOP);
}

// A process group that becomes an orphan while it is stopped gets SIGHUP and SIGCONT.
static void Orphaned(void) {
  CatchThem();
  const pid_t middle = fork();
  if (middle == 0) {
    setpgid(0, 0);
    StartChild(StopThenEnd);
    waitpid(child, NULL, WUNTRACED);
    _exit(0);
  }
  waitpid(middle, NULL, 0);
  AwaitHandler();
  AwaitHandler();
}

static const struct {
  const char* name;
  void (*run)(void);
} kCases[] = {
    {"sequence", Sequence},          {"kill-stopped", KillStopped},
    {"self-stop", SelfStop},         {"threads", Threads},
    {"while-cloning", WhileCloning}, {"handlers", HandlersAroundAStop},
    {"child-signals", ChildSignals}, {"no-cldstop", NoSignalForStops},
    {"orphaned", Orphaned},
};

int main(int argc, char** argv) {
  // The kernel keeps SIGTSTP and its like from orphaned groups, and ours may be one. A group of our own is not: our parent
  // stands outside.
  setpgid(0, 0);
  ticks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; argc > 1 && i < sizeof kCases / sizeof kCases[0]; i++) {
    if (strcmp(argv[1], kCases[i].name) == 0) return kCases[i].run(), 0;
  }
  return 78;
}
