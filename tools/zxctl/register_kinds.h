// The kinds of registers that a thread has, with their names: for reading, printing and setting any of them.
#pragma once

#include <zxtask/zx.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "base/status.h"

namespace zxctl {

// "general", "fp", …
[[nodiscard]] std::vector<std::string> RegisterKindNames();

struct RegisterKind {
  // One of the names above.
  explicit RegisterKind(std::string_view kind_name);

  std::string name;
  uint32_t number = 0;  // ZX_THREAD_STATE_*
  size_t bytes = 0;     // of its structure
  std::vector<arch::RegisterField> fields;

  // The field of this name; null if there is none.
  [[nodiscard]] const arch::RegisterField* Find(std::string_view field_name) const;
  // "rax, rbx, …"
  [[nodiscard]] std::string List() const;
};

// "0x" and at most so many hexadecimal digits as the field holds: its bytes, the lowest first. Nothing for another text.
[[nodiscard]] std::optional<std::vector<std::byte>> ParseHex(std::string_view text, const arch::RegisterField& field);
// A number as the bytes of a field; nothing when it has more bits.
[[nodiscard]] std::optional<std::vector<std::byte>> BytesOf(uint64_t value, const arch::RegisterField& field);

// All registers of one kind, as the library reads and writes them.
class RegisterValues {
 public:
  // The thread stands. Fails with the library's sentence. `kind` outlives the values.
  [[nodiscard]] static Result<RegisterValues> Read(const zx::Thread& thread, const RegisterKind& kind);
  [[nodiscard]] Result<void> Write(const zx::Thread& thread) const;

  [[nodiscard]] const RegisterKind& kind() const { return *kind_; }
  // "0x0000…": as many digits as the register has.
  [[nodiscard]] std::string Hex(const arch::RegisterField& field) const;
  // `value` has the bytes of the field.
  void Set(const arch::RegisterField& field, const std::vector<std::byte>& value);

 private:
  explicit RegisterValues(const RegisterKind& kind) : kind_(&kind), bytes_(kind.bytes) {}

  const RegisterKind* kind_;
  std::vector<std::byte> bytes_;  // little-endian
};

}  // namespace zxctl
