#include "life_word.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace zxctl {

LifeWord::LifeWord(std::atomic<uint32_t>& word) : word_(word) {
  word_.store(static_cast<uint32_t>(gettid()) | FUTEX_WAITERS);
  entry_.next = &head_.list;
  head_.list.next = &entry_;
  head_.futex_offset = reinterpret_cast<char*>(&word_) - reinterpret_cast<char*>(&entry_);
  syscall(SYS_set_robust_list, &head_, sizeof(head_));
}

LifeWord::~LifeWord() {
  head_.list.next = &head_.list;
  word_.store(FUTEX_OWNER_DIED);
  syscall(SYS_futex, &word_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace zxctl
