// bench_events THREADS HOT COUNT: of THREADS threads HOT raise a handled signal COUNT times each; the others sleep. Prints
// the time of an event as the raising thread sees it and how many were handled, then waits until standard input ends, so
// that somebody can look at the tracer's memory while all threads are there.
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "bench_program.h"

static sem_t g_asleep;
static pthread_barrier_t g_ready, g_done;
static atomic_long g_handled;
static long g_count;
static int64_t* g_latencies;  // g_count of each hot thread, one thread after the other

static void Handle(int signal) {
  (void)signal;
  atomic_fetch_add_explicit(&g_handled, 1, memory_order_relaxed);
}

// Sleepers take no part in the barrier: thousands that wake up at the start would be what is measured.
static void* Sleep(void* argument) {
  sem_post(&g_asleep);
  pause();
  return argument;
}

static void RaiseAll(int64_t* latencies) {
  const pid_t process = getpid(), thread = gettid();
  for (long i = 0; i < g_count; i++) {
    const int64_t start = NowNs();
    tgkill(process, thread, SIGUSR1);
    latencies[i] = NowNs() - start;
  }
}

static void* Hot(void* latencies) {
  pthread_barrier_wait(&g_ready);
  RaiseAll(latencies);
  pthread_barrier_wait(&g_done);
  return NULL;
}

static void Start(void* (*work)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  const int error = pthread_create(&thread, &attributes, work, argument);
  if (error != 0) fprintf(stderr, "pthread_create: %s\n", strerror(error)), exit(1);
}

static int Compare(const void* a, const void* b) {
  const int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
  return (x > y) - (x < y);
}

static void ReportEvents(int64_t elapsed, long total) {
  qsort(g_latencies, (size_t)total, sizeof(int64_t), Compare);
  printf("ns=%lld\nraised=%ld\nhandled=%ld\n", (long long)elapsed, total, atomic_load(&g_handled));
  printf("p50=%lld\np99=%lld\nmax=%lld\n", (long long)g_latencies[total / 2], (long long)g_latencies[total * 99 / 100],
         (long long)g_latencies[total - 1]);
  printf("ready=1\n");
  fflush(stdout);
}

int main(int argc, char** argv) {
  const long threads = Count(argc, argv, 1), hot = Count(argc, argv, 2);
  g_count = Count(argc, argv, 3);
  if (hot > threads) return 2;
  g_latencies = calloc((size_t)(hot * g_count), sizeof(int64_t));
  signal(SIGUSR1, Handle);
  sem_init(&g_asleep, 0, 0);
  pthread_barrier_init(&g_ready, NULL, (unsigned)hot);
  pthread_barrier_init(&g_done, NULL, (unsigned)hot);
  for (long i = hot; i < threads; i++) Start(Sleep, NULL);
  for (long i = 1; i < hot; i++) Start(Hot, g_latencies + i * g_count);
  for (long i = hot; i < threads; i++) Require(sem_wait(&g_asleep) == 0, "sem_wait");
  pthread_barrier_wait(&g_ready);
  const int64_t start = NowNs();
  RaiseAll(g_latencies);
  pthread_barrier_wait(&g_done);
  ReportEvents(NowNs() - start, hot * g_count);
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
