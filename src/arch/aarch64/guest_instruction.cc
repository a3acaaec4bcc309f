#include "guest_instruction.h"

namespace zxctl::arch {
namespace {

constexpr uint32_t Bits(uint32_t instruction, unsigned high, unsigned low) {
  return instruction >> low & ((1U << (high - low + 1)) - 1);
}

constexpr uint64_t LowBytes(uint64_t value, unsigned bytes) {
  return bytes == 8 ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
}

LoadStore Plain(uint32_t instruction, bool is_load) {
  return {.bytes = static_cast<uint8_t>(1U << Bits(instruction, 31, 30)),
          .target = static_cast<uint8_t>(Bits(instruction, 4, 0)),
          .is_load = is_load};
}

// By the two bits that most of them have: a store, a load, a load that extends to 64 bits, one that extends to 32.
std::optional<LoadStore> ByOperation(uint32_t instruction) {
  const uint32_t operation = Bits(instruction, 23, 22);
  LoadStore found = Plain(instruction, operation != 0);
  if (operation < 2) return found;
  // Of eight bytes there is nothing to extend: a prefetch, or nothing. Four are extended to 64 bits only.
  if (found.bytes == 8 || (found.bytes == 4 && operation == 3)) return std::nullopt;
  found.sign_extends = true;
  return found;
}

// Behind the counter: LDR, LDRSW; the fourth is a prefetch.
std::optional<LoadStore> Literal(uint32_t instruction) {
  const uint32_t operation = Bits(instruction, 31, 30);
  if (operation == 3) return std::nullopt;
  return LoadStore{.bytes = static_cast<uint8_t>(operation == 1 ? 8 : 4),
                   .target = static_cast<uint8_t>(Bits(instruction, 4, 0)),
                   .is_load = true,
                   .sign_extends = operation == 2};
}

// With bit 21: a register as offset, LDAPR among the atomics, LDRAA and LDRAB.
std::optional<LoadStore> WithBit21(uint32_t instruction) {
  constexpr uint32_t kLdapr = 0x38bf'c000;
  constexpr uint32_t kLdaprMask = 0x3fff'fc00;
  switch (Bits(instruction, 11, 10)) {
    case 0:
      if ((instruction & kLdaprMask) != kLdapr) return std::nullopt;
      return Plain(instruction, true);
    case 1:
      if (Bits(instruction, 31, 30) != 3) return std::nullopt;
      return Plain(instruction, true);
    case 2:
      // Offsets are of 32 or 64 bits.
      return Bits(instruction, 14, 14) != 0 ? ByOperation(instruction) : std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<LoadStore> DecodeLoadStore(uint32_t instruction) {
  switch (Bits(instruction, 29, 24)) {
    case 0b111001:  // an offset of 12 bits
      return ByOperation(instruction);
    case 0b111000:
      if (Bits(instruction, 21, 21) != 0) return WithBit21(instruction);
      // LDUR and LDTR; the odd ones change their base register.
      return Bits(instruction, 10, 10) == 0 ? ByOperation(instruction) : std::nullopt;
    case 0b011001:  // LDAPUR, STLUR
      return Bits(instruction, 21, 21) == 0 && Bits(instruction, 11, 10) == 0 ? ByOperation(instruction) : std::nullopt;
    case 0b011000:
      return Literal(instruction);
    case 0b001000:  // LDAR, STLR, LDLAR, STLLR, between exclusives
      if (Bits(instruction, 23, 23) == 0 || Bits(instruction, 21, 21) != 0) return std::nullopt;
      return Plain(instruction, Bits(instruction, 22, 22) != 0);
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> DataFor(const LoadStore& load, uint64_t value) {
  // KVM extends a sign, and cuts what it has extended off again (docs/KERNEL_QUIRKS).
  const uint64_t sign = uint64_t{1} << (8 * load.bytes - 1);
  if (load.sign_extends && (value & sign) != 0) return std::nullopt;
  return LowBytes(value, load.bytes) == value ? std::optional(value) : std::nullopt;
}

}  // namespace zxctl::arch
