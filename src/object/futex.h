// Waiting on a word of memory, private to this process; and what is built of it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace zxctl {

// Sleeps while `word` is `seen`. False at the deadline (CLOCK_MONOTONIC; kNever: none). True means "look again": a wake, a
// changed word, or nothing at all. Signals do not end it.
bool FutexWait(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns);
// Wakes one thread that sleeps on `word`. Only the address counts: the word may be gone by now.
void FutexWakeOne(const std::atomic<uint32_t>* word);
// Wakes all that sleep on it.
void FutexWakeAll(const std::atomic<uint32_t>* word);

// Says for its life that the calling thread, wherever it is meanwhile, is about to look at `word` again by itself.
class ScopedSleeper {
 public:
  explicit ScopedSleeper(const std::atomic<uint32_t>& word);
  ~ScopedSleeper();
  ScopedSleeper(const ScopedSleeper&) = delete;
  ScopedSleeper& operator=(const ScopedSleeper&) = delete;
};
// FutexWakeOne(), but for a word that the calling thread is the sleeper of.
void WakeSleeper(const std::atomic<uint32_t>* word);

// A mutex of four bytes, for what exists in great numbers. Not recursive.
class FutexMutex {
 public:
  void lock() {
    uint32_t free = kFree;
    if (!state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) LockSlow();
  }
  void unlock() {
    if (state_.exchange(kFree, std::memory_order_release) == kContended) FutexWakeOne(&state_);
  }

 private:
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kHeld = 1;
  static constexpr uint32_t kContended = 2;  // held, and somebody may sleep

  void LockSlow();

  std::atomic<uint32_t> state_ = kFree;
};

// Threads to wake once the locks are released: declare it before the lock. The words may be gone when it wakes: a wake
// of a word that became something else is one of those that FutexWait() permits.
class WakeList {
 public:
  WakeList() = default;
  WakeList(const WakeList&) = delete;
  WakeList& operator=(const WakeList&) = delete;
  ~WakeList() { WakeAll(); }

  // Wakes at once what is there already when it has no room left.
  void Add(const std::atomic<uint32_t>& word) {
    if (count_ == words_.size()) WakeAll();
    words_[count_++] = &word;
  }

 private:
  void WakeAll();

  std::array<const std::atomic<uint32_t>*, 16> words_;
  size_t count_ = 0;
};

}  // namespace zxctl
