// The stores that may have ended at a pc: KVM tells of a store when it is done, and neither its bytes nor its length.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "guest_instruction.h"

namespace zxctl::arch {

// Remembers what it found the last time: guests store to the same register of a device from the same place. Of one thread.
class StoresBefore {
 public:
  // `bytes`: of which the last `there` are what stands before the pc.
  void Look(const std::array<uint8_t, kMaxInstructionBytes>& bytes, size_t there, CodeSize code);
  // The store of so many bytes that ends there; null if what stands there is none.
  [[nodiscard]] const GuestInstruction* OfLength(size_t length) const {
    return (lengths_ >> length & 1) != 0 ? &stores_[length - 1] : nullptr;
  }

 private:
  bool known_ = false;
  CodeSize code_ = CodeSize::k64;
  size_t there_ = 0;
  std::array<uint8_t, kMaxInstructionBytes> bytes_ = {};
  uint32_t lengths_ = 0;  // a bit for each of which there is one
  std::array<GuestInstruction, kMaxInstructionBytes> stores_ = {};
};

}  // namespace zxctl::arch
