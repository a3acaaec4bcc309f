#include "object/koid.h"

#include <atomic>

namespace zxctl {

zx_koid_t NewLocalKoid() {
  static std::atomic<zx_koid_t> next{kFirstLocalKoid};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace zxctl
