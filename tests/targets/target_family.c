// Families of processes, as the first argument says; every line printed is the same from run to run.
//   subreaper       an orphaned grandchild comes to the program that asked for it
//   death-signal    a child that asked for a signal at its parent's death gets it
//   orphan          a child whose parent ended has another parent
//   zombie          a child that has ended stays until it is waited for
//   daemon FIFO     prints "daemon PID" and ends; the daemon has no standard descriptors, sits in / and ends when
//                   FIFO is opened for writing and closed
//   chatty-daemon FIFO  the same, but it keeps the standard descriptors and prints "bye" at its end
//   usage           resource usage of a child that worked is there and not zero
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int Handshake[2];

static void Say(const char* line) {
  if (write(1, line, strlen(line)) < 0) _exit(80);
}

static void WaitForClose(void) {
  char byte;
  close(Handshake[1]);
  while (read(Handshake[0], &byte, 1) > 0) {
  }
}

static void Subreaper(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t own = getpid();
  const pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      WaitForClose();
      Say(getppid() == own ? "adopted by the subreaper\n" : "adopted by somebody else\n");
      _exit(5);
    }
    _exit(4);
  }
  int status;
  close(Handshake[0]);
  waitpid(child, &status, 0);
  close(Handshake[1]);
  wait(&status);
  printf("grandchild exit %d\n", WEXITSTATUS(status));
  printf("then %s\n", wait(NULL) == -1 && errno == ECHILD ? "ECHILD" : "somebody");
}

static void DeathSignal(void) {
  int done[2];
  if (pipe(done) != 0) exit(81);
  const pid_t middle = fork();
  if (middle == 0) {
    if (fork() == 0) {
      sigset_t set;
      sigemptyset(&set), sigaddset(&set, SIGUSR1);
      sigprocmask(SIG_BLOCK, &set, NULL);
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      close(Handshake[1]);
      siginfo_t info;
      sigwaitinfo(&set, &info);
      Say("told of the parent's death\n");
      _exit(0);
    }
    close(done[1]);
    WaitForClose();
    _exit(3);
  }
  int status;
  char byte;
  close(done[1]);
  close(Handshake[1]);
  waitpid(middle, &status, 0);
  if (read(done[0], &byte, 1) != 0) exit(82);
  printf("parent exit %d\n", WEXITSTATUS(status));
}

static void Orphan(void) {
  int done[2];
  if (pipe(done) != 0) exit(81);
  const pid_t middle = fork();
  if (middle == 0) {
    const pid_t parent = getpid();
    if (fork() == 0) {
      WaitForClose();
      Say(getppid() != parent ? "has another parent\n" : "has its old parent\n");
      _exit(0);
    }
    _exit(0);
  }
  char byte;
  waitpid(middle, NULL, 0);
  close(Handshake[1]);
  close(done[1]);
  if (read(done[0], &byte, 1) != 0) exit(82);
}

static void Zombie(void) {
  const pid_t child = fork();
  if (child == 0) _exit(6);
  siginfo_t info;
  waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
  char path[64], line[512] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", child);
  FILE* file = fopen(path, "r");
  if (file == NULL || fgets(line, sizeof line, file) == NULL) exit(83);
  fclose(file);
  int status = -1;
  printf("state %c code %d status %d\n", strrchr(line, ')')[2], info.si_code, info.si_status);
  const pid_t waited = waitpid(child, &status, 0);
  printf("waitpid %d exit %d\n", waited == child, WEXITSTATUS(status));
}

static void RunDaemon(const char* fifo, int quiet) {
  setsid();
  if (chdir("/") != 0) _exit(84);
  if (quiet) {
    for (int fd = 0; fd < 3; fd++) close(fd);
  }
  close(Handshake[0]), close(Handshake[1]);
  char byte;
  const int fd = open(fifo, O_RDONLY);
  while (read(fd, &byte, 1) > 0) {
  }
  if (!quiet) Say("bye\n");
  _exit(0);
}

static void Daemon(const char* fifo, int quiet) {
  const pid_t middle = fork();
  if (middle == 0) {
    const pid_t daemon = fork();
    if (daemon == 0) RunDaemon(fifo, quiet);
    printf("daemon %d\n", daemon);
    fflush(stdout);
    _exit(0);
  }
  waitpid(middle, NULL, 0);
}

static void Usage(void) {
  const pid_t child = fork();
  if (child == 0) {
    struct rusage usage;
    do getrusage(RUSAGE_SELF, &usage);
    while (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec < 20000 && usage.ru_utime.tv_sec == 0);
    _exit(0);
  }
  struct rusage usage, total;
  wait4(child, NULL, 0, &usage);
  getrusage(RUSAGE_CHILDREN, &total);
  printf("child worked %d, counted once %d\n",
         usage.ru_utime.tv_sec + usage.ru_stime.tv_sec > 0 || usage.ru_utime.tv_usec + usage.ru_stime.tv_usec >= 20000,
         usage.ru_utime.tv_sec == total.ru_utime.tv_sec && usage.ru_utime.tv_usec == total.ru_utime.tv_usec);
}

int main(int argc, char** argv) {
  const char* kind = argc > 1 ? argv[1] : "";
  if (pipe(Handshake) != 0) return 81;
  if (strcmp(kind, "subreaper") == 0) Subreaper();
  if (strcmp(kind, "death-signal") == 0) DeathSignal();
  if (strcmp(kind, "orphan") == 0) Orphan();
  if (strcmp(kind, "zombie") == 0) Zombie();
  if (strcmp(kind, "daemon") == 0) Daemon(argv[2], 1);
  if (strcmp(kind, "chatty-daemon") == 0) Daemon(argv[2], 0);
  if (strcmp(kind, "usage") == 0) Usage();
  return 0;
}
