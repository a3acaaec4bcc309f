// Very many threads that do nothing but count themselves: target_crowd FD PROCESSES THREADS. The program is the first of
// the processes, each has so many threads; what they count is in the shared memory behind FD.
#define _GNU_SOURCE
#include "target_crowd.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct CrowdPage* page;

static void* Count(void* unused) {
  uint32_t seen = __atomic_load_n(&page->beat, __ATOMIC_SEQ_CST);
  for (;;) {
    __atomic_add_fetch(&page->counted, 1, __ATOMIC_SEQ_CST);
    CrowdWake(&page->counted);
    uint32_t now = seen;
    while ((now = __atomic_load_n(&page->beat, __ATOMIC_SEQ_CST)) == seen) CrowdWait(&page->beat, seen);
    seen = now;
  }
  return unused;
}

static void Populate(int threads) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 15);
  for (int i = 1; i < threads; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, Count, NULL) != 0) _exit(3);
  }
  Count(NULL);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
  if (page == MAP_FAILED) return 1;
  signal(SIGCHLD, SIG_IGN);
  for (int i = 1; i < atoi(argv[2]); ++i) {
    const pid_t child = fork();
    if (child < 0) return 4;
    if (child == 0) Populate(atoi(argv[3]));
  }
  Populate(atoi(argv[3]));
}
