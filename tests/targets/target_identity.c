// Prints everything that a program can learn about itself and that supervision must not change. Numbers that are its own
// pid are printed as "self". With an argument the text goes to that file.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
static char text[1 << 18];
static size_t size;

static void Say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size += (size_t)vsnprintf(text + size, sizeof text - size, format, arguments);
  va_end(arguments);
}

static void SayId(const char* name, long id) {
  if (id == getpid()) {
    Say("%s self\n", name);
  } else {
    Say("%s %ld\n", name, id);
  }
}

static void SayFd(int fd) {
  char path[64], link[4096];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(path, link, sizeof link - 1);
  if (length < 0) return;
  link[length] = 0;
  char* inode = strchr(link, '[');
  if (inode != NULL) *inode = 0;
  if (strncmp(link, "/dev/pts/", 9) == 0) strcpy(link, "/dev/pts");
  Say("fd %d %s close-on-exec %d flags %o\n", fd, link, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
}

static void SayFds(void) {
  DIR* dir = opendir("/proc/self/fd");
  for (int fd = 0; fd < 1100; fd++) {
    if (dir == NULL || fd != dirfd(dir)) SayFd(fd);
  }
  if (dir != NULL) closedir(dir);
}

static void SayIds(void) {
  SayId("parent", getppid());
  SayId("group", getpgid(0));
  SayId("session", getsid(0));
  SayId("foreground", tcgetpgrp(0));
  Say("uid %d %d gid %d %d\n", getuid(), geteuid(), getgid(), getegid());
}

static void SaySignals(void) {
  sigset_t blocked, pending;
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  sigpending(&pending);
  for (int signo = 1; signo < 65; signo++) {
    struct sigaction action;
    if (sigaction(signo, NULL, &action) != 0) continue;
    Say("signal %d ignored %d flags %x blocked %d pending %d\n", signo, action.sa_handler == SIG_IGN, action.sa_flags,
        sigismember(&blocked, signo), sigismember(&pending, signo));
  }
  stack_t stack;
  sigaltstack(NULL, &stack);
  Say("alternate stack flags %d\n", stack.ss_flags);
}

static void SayLimits(void) {
  for (int which = 0; which < RLIM_NLIMITS; which++) {
    struct rlimit limit;
    getrlimit((__rlimit_resource_t)which, &limit);
    Say("limit %d %lld %lld\n", which, (long long)limit.rlim_cur, (long long)limit.rlim_max);
  }
}

static void SaySettings(void) {
  int value = -1;
  Say("dumpable %d securebits %d thp %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS),
      prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  prctl(PR_GET_PDEATHSIG, &value);
  Say("death signal %d ", value);
  prctl(PR_GET_CHILD_SUBREAPER, &value);
  Say("subreaper %d no-new-privileges %d timer slack %d\n", value, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
      prctl(PR_GET_TIMERSLACK));
  Say("personality %x scheduler %d nice %d\n", personality(0xffffffff), sched_getscheduler(0),
      getpriority(PRIO_PROCESS, 0));
  const mode_t mask = umask(0);
  umask(mask);
  cpu_set_t cpus;
  sched_getaffinity(0, sizeof cpus, &cpus);
  char* directory = getcwd(NULL, 0);
  Say("umask %o cpus %d directory %s\n", mask, CPU_COUNT(&cpus), directory);
  struct itimerval timer;
  getitimer(ITIMER_REAL, &timer);
  Say("alarm %d auxiliary %lx %lx\n", timer.it_value.tv_sec > 0, getauxval(AT_SECURE), getauxval(AT_HWCAP));
}

static void SayChildren(void) {
  struct rusage usage;
  const pid_t got = waitpid(-1, NULL, WNOHANG | __WALL);
  Say("waitpid %d %s\n", got, strerrorname_np(errno));
  getrusage(RUSAGE_CHILDREN, &usage);
  Say("children cpu %ld %ld faults %ld %ld switches %ld\n",
      (long)(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec),
      (long)(usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec), usage.ru_minflt, usage.ru_majflt,
      usage.ru_nvcsw + usage.ru_nivcsw);
}

// The lines of /proc/self/status that do not vary from run to run.
static void SayStatus(void) {
  static const char* const varying[] = {
      "Pid:", "Tgid:",     "Ngid:",        "NStgid:",    "NSpid:",        "NSpgid:", "NSsid:", "Vm",
      "Rss",  "voluntary", "nonvoluntary", "TracerPid:", "HugetlbPages:", "State:",  "SigQ:"};
  char line[4096];
  FILE* file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    int skip = 0;
    for (size_t i = 0; i < sizeof varying / sizeof varying[0]; i++)
      skip |= !strncmp(line, varying[i], strlen(varying[i]));
    if (!skip) Say("status %s", line);
  }
  if (file != NULL) fclose(file);
}

// The fields of /proc/self/stat that do not vary; numbers as in proc(5).
static void SayStat(void) {
  char line[4096] = "", path[] = "/proc/self/stat";
  FILE* file = fopen(path, "r");
  if (file == NULL || fgets(line, sizeof line, file) == NULL) return;
  fclose(file);
  int field = 3;
  for (char* word = strtok(strrchr(line, ')') + 2, " "); word != NULL; word = strtok(NULL, " "), field++) {
    const int chosen = field == 4 || field == 11 || field == 13 || (field >= 16 && field <= 21) || field == 25 ||
                       (field >= 31 && field <= 34) || field == 38 || field == 40 || field == 41;
    if (chosen) Say("stat %d %s\n", field, word);
  }
}

static void SayProcFile(const char* path) {
  char content[4096] = "";
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return;
  const ssize_t got = read(fd, content, sizeof content - 1);
  close(fd);
  Say("%s %.*s\n", path, got > 0 ? (int)got : 0, content);
}

static void SayEnvironment(char** argv) {
  char link[4096] = "";
  for (char** word = argv; *word != NULL; word++) Say("argument %s\n", *word);
  for (char** entry = environ; *entry != NULL; entry++) Say("environment %s\n", *entry);
  if (readlink("/proc/self/exe", link, sizeof link - 1) > 0) Say("executable %s\n", link);
  Say("execfn %s\n", (const char*)getauxval(AT_EXECFN));
}

int main(int argc, char** argv) {
  Say("pid %d\n", getpid());
  SayFds();
  SayChildren();
  SayIds();
  SaySignals();
  SayLimits();
  SaySettings();
  SayStatus();
  SayStat();
  SayProcFile("/proc/self/comm");
  SayProcFile("/proc/self/oom_score_adj");
  SayProcFile("/proc/self/cgroup");
  SayProcFile("/proc/self/loginuid");
  SayProcFile("/proc/self/coredump_filter");
  SayProcFile("/proc/self/timens_offsets");
  SayEnvironment(argv);
  const int fd = argc > 1 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600) : 1;
  return write(fd, text, size) == (ssize_t)size ? 0 : 1;
}
