// A program that does what it is told, each of its three threads by a socket of its own: target_tasks FD FD FD. The first
// thread makes the other two. Commands are single bytes, and each is answered once it is done:
//   f   raises SIGSEGV for itself          -> "d"
//   x   executes this program again        -> "r", by the first thread of the new program
//   k   forks a child that only waits      -> the child's pid, as four bytes, and "c" by the child itself
//   e   ends: the thread, or as the first thread the process with 5
// The other two say "s" and their tid, as four bytes, when they begin. "r" also comes once the first thread has made the
// others. At the end of its socket the process ends with 0.
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static char** arguments;

static void Fork(int fd) {
  // As fork() does it, without what a C library adds; not every machine has a call of that name.
  const int32_t pid = (int32_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    if (write(fd, "c", 1) != 1) _exit(1);
    for (;;) pause();
  }
  if (write(fd, &pid, sizeof(pid)) != sizeof(pid)) _exit(1);
}

static void Obey(int fd, int is_first) {
  for (;;) {
    char command = 0;
    if (read(fd, &command, 1) != 1) _exit(0);
    switch (command) {
      case 'f':
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGSEGV);
        if (write(fd, "d", 1) != 1) _exit(1);
        break;
      case 'x':
        execv(arguments[0], arguments);
        _exit(1);
      case 'k':
        Fork(fd);
        break;
      default:
        if (is_first) _exit(5);
        syscall(SYS_exit, 0);
    }
  }
}

static void* Run(void* fd) {
  struct __attribute__((packed)) {
    char what;
    int32_t tid;
  } begun = {'s', (int32_t)syscall(SYS_gettid)};
  if (write((int)(intptr_t)fd, &begun, sizeof(begun)) != sizeof(begun)) _exit(1);
  Obey((int)(intptr_t)fd, 0);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  arguments = argv;
  for (int i = 2; i < 4; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, Run, (void*)(intptr_t)atoi(argv[i])) != 0) return 3;
  }
  const int fd = atoi(argv[1]);
  if (write(fd, "r", 1) != 1) return 4;
  Obey(fd, 1);
}
