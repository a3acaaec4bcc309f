// What a test and its target_races see at once: a page of memory with a place for each thread.
#pragma once

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The first is the program's first thread, the last belongs to the child it forks.
enum { kRacePlaces = 8, kRaceChild = kRacePlaces - 1 };

struct RacePage {
  uint32_t command[kRacePlaces];  // futex word; 0: none
  uint32_t done[kRacePlaces];     // futex word; how many commands have been dealt with, with the thread's birth
  int32_t tid[kRacePlaces];       // who is there
  uint32_t where;                 // the place of the thread that "c" makes
};

static inline void RaceWake(uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, 0, 0, 0); }
// Returns when the word is another, at a wake, after a second, or for no reason.
static inline void RaceWait(uint32_t* word, uint32_t seen) {
  const struct timespec second = {1, 0};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, &second, 0, 0);
}
