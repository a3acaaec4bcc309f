#include "base/fork_mark.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace zxctl {

Result<void> ForkMark::Set() {
  if (original_.load() != nullptr) return {};
  const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return FailErrno("cannot map a page");
  if (madvise(page, size, MADV_WIPEONFORK) != 0) {
    auto failed = FailErrno("cannot mark a page");
    munmap(page, size);
    return failed;
  }
  const std::atomic<uint32_t>* none = nullptr;
  if (!original_.compare_exchange_strong(none, new (page) std::atomic<uint32_t>(1))) munmap(page, size);
  return {};
}

}  // namespace zxctl
