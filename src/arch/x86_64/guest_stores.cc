#include "guest_stores.h"

#include <span>

namespace zxctl::arch {

void StoresBefore::Look(const std::array<uint8_t, kMaxInstructionBytes>& bytes, size_t there, CodeSize code) {
  if (known_ && code == code_ && there == there_ && bytes == bytes_) return;
  known_ = true;
  code_ = code;
  there_ = there;
  bytes_ = bytes;
  lengths_ = 0;
  for (size_t length = 1; length <= there; ++length) {
    const auto store = DecodeInstruction(std::span(bytes).last(length), code);
    if (!store || store->length != length || BytesStored(*store) == 0) continue;
    lengths_ |= 1U << length;
    stores_[length - 1] = *store;
  }
}

}  // namespace zxctl::arch
