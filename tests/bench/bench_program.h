// What the benchmark programs share: they time their own loop, so that starting a tracer does not count, and print
// "key=value" lines that run.py reads.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t NowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// The positional argument as a count; ends the program when there is none.
static inline long Count(int argc, char** argv, int index) {
  const long count = index < argc ? strtol(argv[index], NULL, 10) : 0;
  if (count <= 0) {
    fprintf(stderr, "%s: argument %d must be a positive number\n", argv[0], index);
    exit(2);
  }
  return count;
}

static inline void ReportNs(int64_t ns) { printf("ns=%lld\n", (long long)ns); }

static inline void Report(int64_t start_ns) { ReportNs(NowNs() - start_ns); }

static inline void Require(int condition, const char* what) {
  if (condition) return;
  perror(what);
  exit(1);
}
