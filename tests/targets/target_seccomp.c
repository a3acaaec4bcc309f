// A program with a seccomp filter on getppid, as the first argument says: errno, trap, trap-unhandled, kill-process,
// kill-thread, trace.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void Filter(unsigned action) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {.len = 4, .filter = code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) perror("seccomp");
}

static void OnSys(int signo, siginfo_t* info, void* context) {
  (void)context;
  printf("signal %d code %d call %d data %d\n", signo, info->si_code, info->si_syscall == SYS_getppid, info->si_errno);
}

static void* Call(void* unused) {
  syscall(SYS_getppid);
  printf("not reached\n");
  return unused;
}

static void CallInThread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, Call, NULL);
  pthread_join(thread, NULL);
  printf("the thread has gone\n");
}

int main(int argc, char** argv) {
  const char* way = argc > 1 ? argv[1] : "";
  setbuf(stdout, NULL);
  struct sigaction action = {.sa_sigaction = OnSys, .sa_flags = SA_SIGINFO};
  if (strcmp(way, "trap") == 0) sigaction(SIGSYS, &action, NULL);
  if (strcmp(way, "errno") == 0) Filter(SECCOMP_RET_ERRNO | EDOM);
  if (strncmp(way, "trap", 4) == 0) Filter(SECCOMP_RET_TRAP | 42);
  if (strcmp(way, "kill-process") == 0) Filter(SECCOMP_RET_KILL_PROCESS);
  if (strcmp(way, "kill-thread") == 0) Filter(SECCOMP_RET_KILL_THREAD);
  if (strcmp(way, "trace") == 0) Filter(SECCOMP_RET_TRACE);
  if (strcmp(way, "kill-thread") == 0) {
    CallInThread();
    return 0;
  }
  const long result = syscall(SYS_getppid);
  printf("result %s\n", result < 0 ? strerrorname_np(errno) : "a number");
  return 0;
}
