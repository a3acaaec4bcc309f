#include "object/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include "base/clock.h"

namespace zxctl {
namespace {

thread_local const std::atomic<uint32_t>* t_own_word = nullptr;

}  // namespace

bool FutexWait(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns) {
  timespec deadline{};
  // The kernel refuses times before its own zero.
  const int64_t at = std::max<int64_t>(deadline_ns, 0);
  deadline.tv_sec = at / kNsPerSec;
  deadline.tv_nsec = at % kNsPerSec;
  const long result = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, seen,
                              deadline_ns == kNever ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
  return result == 0 || errno != ETIMEDOUT;
}

void FutexWakeOne(const std::atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void FutexWakeAll(const std::atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

ScopedSleeper::ScopedSleeper(const std::atomic<uint32_t>& word) { t_own_word = &word; }
ScopedSleeper::~ScopedSleeper() { t_own_word = nullptr; }

void WakeSleeper(const std::atomic<uint32_t>* word) {
  if (word != t_own_word) FutexWakeOne(word);
}

void FutexMutex::LockSlow() {
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) FutexWait(state_, kContended, kNever);
}

void WakeList::WakeAll() {
  for (size_t i = 0; i < count_; ++i) WakeSleeper(words_[i]);
  count_ = 0;
}

}  // namespace zxctl
