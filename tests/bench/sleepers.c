// bench_sleepers THREADS: so many threads that sleep, each in a call of its own. Prints "ready=1" once they all do, and ends
// when it is killed.
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "bench_program.h"

static sem_t g_asleep;

static void* Sleep(void* argument) {
  sem_post(&g_asleep);
  for (;;) pause();
  return argument;
}

int main(int argc, char** argv) {
  const long threads = Count(argc, argv, 1);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  sem_init(&g_asleep, 0, 0);
  for (long i = 1; i < threads; i++) {
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes, Sleep, NULL);
    if (error != 0) return fprintf(stderr, "pthread_create: %s\n", strerror(error)), 1;
  }
  for (long i = 1; i < threads; i++) Require(sem_wait(&g_asleep) == 0, "sem_wait");
  printf("ready=1\n");
  fflush(stdout);
  for (;;) pause();
}
