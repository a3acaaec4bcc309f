// bench_threads COUNT: creates a thread and joins it, COUNT times.
#include <pthread.h>

#include "bench_program.h"

static void* DoNothing(void* argument) { return argument; }

int main(int argc, char** argv) {
  const long count = Count(argc, argv, 1);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    pthread_t thread;
    Require(pthread_create(&thread, NULL, DoNothing, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
  }
  Report(start);
  return 0;
}
