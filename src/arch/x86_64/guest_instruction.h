// The instruction with which a guest has touched memory that nobody is behind: its bytes, and what it does with memory.
//
// KVM carries such instructions out itself and tells neither their bytes nor their length. What is decoded here is what KVM's
// emulator can carry out: the one-byte, 0F, 0F 38 and 0F 3A opcodes, in code of 16, 32 and 64 bits. VEX and EVEX it cannot.
//
// Pure. Source of the formats: Intel's manual, volume 2, chapter 2 and appendix A.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace zxctl::arch {

inline constexpr size_t kMaxInstructionBytes = 15;

enum class CodeSize : uint8_t { k16, k32, k64 };

// The segment whose base an address starts at.
enum class Segment : uint8_t { kEs, kCs, kSs, kDs, kFs, kGs };

struct GuestInstruction {
  static constexpr int kNoRegister = -1;
  static constexpr int kInstructionPointer = 16;

  uint8_t length = 0;
  uint8_t map = 0;  // 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A
  uint8_t opcode = 0;
  uint8_t operand_size = 4;  // bytes: 2, 4 or 8
  uint8_t address_size = 8;  // bytes: 2, 4 or 8
  bool in_64_bits = false;
  bool has_rex = false;
  bool rex_b = false;  // the register that the opcode itself names is one of r8 to r15
  bool has_66 = false;
  bool repeats = false;  // F2 or F3
  uint8_t repeat = 0;    // which of the two was last
  // The general register that ModRM.reg names; its opcode extension where the opcode has one.
  uint8_t reg = 0;
  // The operand in memory.
  bool has_memory = false;
  int base = kNoRegister;   // 0 to 15 in the order of the encoding, or kInstructionPointer
  int index = kNoRegister;  // 0 to 15
  uint8_t scale = 1;
  int64_t displacement = 0;
  Segment segment = Segment::kDs;
};

// The instruction at the start of `code`; nothing if it is none, not one of these, or not whole.
[[nodiscard]] std::optional<GuestInstruction> DecodeInstruction(std::span<const uint8_t> code, CodeSize size);

// General registers in the order of the encoding: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
using GuestGprs = std::array<uint64_t, 16>;
inline constexpr size_t kRax = 0;
inline constexpr size_t kRcx = 1;
inline constexpr size_t kRsp = 4;
inline constexpr size_t kRsi = 6;
inline constexpr size_t kRdi = 7;

// Where its operand is, within its segment. `next` is the address of the instruction after it.
[[nodiscard]] uint64_t OperandAddress(const GuestInstruction& instruction, const GuestGprs& gprs, uint64_t next);

// How many bytes it writes to its operand without having read there; 0 if it does not do that. String stores and pushes
// count, whose operand IsStringStore() and IsPush() tell.
[[nodiscard]] size_t BytesStored(const GuestInstruction& instruction);
[[nodiscard]] bool IsStringStore(const GuestInstruction& instruction);
[[nodiscard]] bool IsPush(const GuestInstruction& instruction);
// The general register that it stores, low bytes first.
struct StoredRegister {
  uint8_t reg = 0;
  bool high_byte = false;  // bits 8 to 15
};
// Nothing for what stores something else.
[[nodiscard]] std::optional<StoredRegister> RegisterStored(const GuestInstruction& instruction);
[[nodiscard]] bool IsOut(const GuestInstruction& instruction);
// Whether INS or OUTS is at the start of `code`: their data goes through memory.
[[nodiscard]] bool IsStringIoAt(std::span<const uint8_t> code, CodeSize size);

// A load into a general register, and nothing besides.
struct Load {
  uint8_t bytes = 0;  // read from memory
  uint8_t target = 0;
  bool high_byte = false;  // into bits 8 to 15
  enum class Rest : uint8_t { kKept, kZeroed, kSign } rest = Rest::kKept;
  uint8_t target_bytes = 0;  // how much of the register is written, before what 32-bit results do to the upper half
};
[[nodiscard]] std::optional<Load> AsLoad(const GuestInstruction& instruction);
// What memory has to give so that the load leaves `wanted` in the register; nothing if it cannot.
[[nodiscard]] std::optional<uint64_t> DataFor(const Load& load, uint64_t wanted);

}  // namespace zxctl::arch
