// Ends in the way that its arguments say.
//   exit N | thread-exit N (exit_group from a second thread) | quick-exit N | signal N | queue N | thread-signal N |
//   leader-exit N (the leader leaves with pthread_exit, the last thread with exit) | last-thread N (its only
//   thread ends) | fault | abort
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int number;

static void* ExitAll(void* unused) {
  (void)unused;
  exit(number);
}

static void* AfterLeader(void* unused) {
  char state = 'R', line[512];
  while (state != 'Z') {
    FILE* file = fopen("/proc/self/stat", "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) break;
    fclose(file);
    state = strrchr(line, ')')[2];
  }
  (void)unused;
  exit(number);
}

static void* SignalSelf(void* unused) {
  (void)unused;
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
  return NULL;
}

static void InThread(void* (*run)(void*)) {
  pthread_t thread;
  pthread_create(&thread, NULL, run, NULL);
  pthread_join(thread, NULL);
}

static int Fault(void) {
  volatile int* nowhere = (volatile int*)16;
  return *nowhere;
}

int main(int argc, char** argv) {
  const char* way = argc > 1 ? argv[1] : "";
  number = argc > 2 ? atoi(argv[2]) : 0;
  if (strcmp(way, "exit") == 0) return number;
  if (strcmp(way, "quick-exit") == 0) _exit(number);
  if (strcmp(way, "thread-exit") == 0) InThread(ExitAll);
  if (strcmp(way, "thread-signal") == 0) InThread(SignalSelf);
  if (strcmp(way, "last-thread") == 0) syscall(SYS_exit, number);
  if (strcmp(way, "fault") == 0) return Fault();
  if (strcmp(way, "abort") == 0) abort();
  if (strcmp(way, "signal") == 0) kill(getpid(), number);
  if (strcmp(way, "queue") == 0) sigqueue(getpid(), number, (union sigval){.sival_int = 42});
  if (strcmp(way, "leader-exit") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, AfterLeader, NULL);
    pthread_exit(NULL);
  }
  return 99;
}
