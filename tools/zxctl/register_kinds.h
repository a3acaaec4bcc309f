// The kinds of registers that a thread has, with their names: for reading, printing and setting any of them.
#pragma once

#include <zxtask/zx.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "base/status.h"

namespace zxctl {

struct RegisterKind {
  std::string_view name;
  uint32_t number;  // ZX_THREAD_STATE_*
  size_t bytes;     // of its structure
  std::span<const arch::RegisterField> (*fields)();
};

[[nodiscard]] std::span<const RegisterKind> RegisterKinds();

// The field of this name; null if there is none.
[[nodiscard]] const arch::RegisterField* FindField(const RegisterKind& kind, std::string_view name);
// "rax, rbx, …"
[[nodiscard]] std::string ListFields(const RegisterKind& kind);

// All registers of one kind, as the library reads and writes them.
class RegisterValues {
 public:
  // The thread stands. Fails with the library's sentence.
  [[nodiscard]] static Result<RegisterValues> Read(const zx::Thread& thread, const RegisterKind& kind);
  [[nodiscard]] Result<void> Write(const zx::Thread& thread) const;

  [[nodiscard]] const RegisterKind& kind() const { return *kind_; }
  // "0x0000…": as many digits as the register has.
  [[nodiscard]] std::string Hex(const arch::RegisterField& field) const;
  // What is above 64 bits becomes 0.
  void Set(const arch::RegisterField& field, uint64_t value);

 private:
  explicit RegisterValues(const RegisterKind& kind) : kind_(&kind), bytes_(kind.bytes) {}

  const RegisterKind* kind_;
  std::vector<std::byte> bytes_;  // little-endian
};

}  // namespace zxctl
