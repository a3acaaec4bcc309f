// What a test and all threads of target_crowd see at once.
#pragma once

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct CrowdPage {
  uint32_t beat;     // futex word; all threads wait for it to change
  uint32_t counted;  // futex word; how many threads have counted themselves, at their birth and at each beat
};

static inline void CrowdWake(uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, 0, 0, 0); }
// Returns when the word is another, at a wake, after ten seconds, or for no reason.
static inline void CrowdWait(uint32_t* word, uint32_t seen) {
  const struct timespec ten_seconds = {10, 0};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, &ten_seconds, 0, 0);
}
