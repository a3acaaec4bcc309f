// Crashes in the way that its arguments say.
//   null | abort | delete-self       a fault, abort(), a fault after the program's own file is gone
//   data PATH                        closes 2, opens PATH for reading and writing (it becomes 2), writes "data", faults
//   opens PATH                       the same without closing 2 first
//   together N                       N threads fault at the same time
//   leaderless                       the leader ends, then another thread faults
//   children N                       N children fault at the same time; prints how many died so
//   grandchild                       a grandchild faults; prints what its parent and the program saw
//   hang                             three threads: one waits, one works, the leader sleeps for ever
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int Fault(void) { return *(volatile int*)16; }

static int FaultWithData(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT, 0600);
  if (fd != 2 || write(fd, "data", 4) != 4) return 60;
  return Fault();
}

static pthread_t leader;

static void* FaultAfterLeader(void* unused) {
  (void)unused;
  pthread_join(leader, NULL);
  return (void*)(long)Fault();
}

static int Leaderless(void) {
  pthread_t thread;
  leader = pthread_self();
  pthread_create(&thread, NULL, FaultAfterLeader, NULL);
  pthread_exit(NULL);
}

static pthread_barrier_t gate_of_threads;

static void* FaultTogether(void* unused) {
  (void)unused;
  pthread_barrier_wait(&gate_of_threads);
  return (void*)(long)Fault();
}

static int Together(int count) {
  pthread_t thread;
  pthread_barrier_init(&gate_of_threads, NULL, (unsigned)count);
  for (int i = 1; i < count; i++) pthread_create(&thread, NULL, FaultTogether, NULL);
  FaultTogether(NULL);
  return 65;
}

static int Children(int count) {
  int crashed = 0, gate[2];
  char byte;
  if (pipe(gate) != 0) return 61;
  for (int i = 0; i < count; i++) {
    if (fork() == 0) {
      close(gate[1]);
      if (read(gate[0], &byte, 1) == 0) _exit(Fault());
      _exit(62);
    }
  }
  close(gate[1]);
  for (int status; wait(&status) > 0;) crashed += WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
  printf("crashed %d\n", crashed);
  return 0;
}

static int Grandchild(void) {
  int status;
  const pid_t child = fork();
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) _exit(Fault());
    waitpid(grandchild, &status, 0);
    printf("grandchild died of %d\n", WTERMSIG(status));
    fflush(stdout);
    _exit(7);
  }
  waitpid(child, &status, 0);
  printf("child exit %d\nthe program goes on\n", WEXITSTATUS(status));
  return 3;
}

static void* Wait(void* unused) {
  while (1) pause();
  return unused;
}

static void* Work(void* unused) {
  for (volatile int i = 0;; i++) {
  }
  return unused;
}

static int Hang(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, Wait, NULL);
  pthread_create(&thread, NULL, Work, NULL);
  printf("hanging\n");
  fflush(stdout);
  while (1) sleep(1000);
  return 0;
}

int main(int argc, char** argv) {
  const char* way = argc > 1 ? argv[1] : "";
  if (strcmp(way, "null") == 0) return Fault();
  if (strcmp(way, "abort") == 0) abort();
  if (strcmp(way, "delete-self") == 0) return unlink(argv[0]) == 0 ? Fault() : 63;
  if (strcmp(way, "data") == 0) close(2);
  if (strcmp(way, "data") == 0 || strcmp(way, "opens") == 0) return FaultWithData(argv[2]);
  if (strcmp(way, "together") == 0) return Together(atoi(argv[2]));
  if (strcmp(way, "leaderless") == 0) return Leaderless();
  if (strcmp(way, "children") == 0) return Children(atoi(argv[2]));
  if (strcmp(way, "grandchild") == 0) return Grandchild();
  if (strcmp(way, "hang") == 0) return Hang();
  return 64;
}
