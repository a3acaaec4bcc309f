#include "guest_bytes.h"

#include <algorithm>
#include <cstring>

namespace zxctl::arch {

bool ReadPhysical(GuestBytes& memory, uint64_t address, void* out, size_t size) {
  for (size_t done = 0; done < size;) {
    const uint64_t at = address + done;
    const uint64_t offset = at % GuestBytes::kPageBytes;
    const size_t part = std::min<uint64_t>(size - done, GuestBytes::kPageBytes - offset);
    const char* page = memory.FindPage(at - offset);
    if (page == nullptr) return false;
    std::memcpy(static_cast<char*>(out) + done, page + offset, part);
    done += part;
  }
  return true;
}

}  // namespace zxctl::arch
