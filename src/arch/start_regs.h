// The registers with which a thread starts (zx_thread_start_regs), and which values of them code could never have put there.
// One check a machine, in the machine's folder; pure, and built everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zxctl::arch {

// What the call is given. In which register each value goes is the machine's.
struct StartRegs {
  uint64_t pc = 0;
  uint64_t sp = 0;
  uint64_t arg1 = 0;
  uint64_t arg2 = 0;
  uint64_t tp = 0;
  uint64_t abi_reg = 0;

  friend bool operator==(const StartRegs&, const StartRegs&) = default;
};

enum class StartArgument : uint8_t { kPc, kSp, kArg1, kArg2, kTp, kAbiReg };
[[nodiscard]] std::string_view Name(StartArgument argument);

struct StartRefusal {
  StartArgument argument = StartArgument::kPc;
  uint64_t value = 0;
  std::string reason;  // "is not …", for a sentence that begins with the argument and its value

  // "pc 0x8000… is not …"
  [[nodiscard]] std::string ToString() const;
};

// The first argument that the machine cannot hold, in the order in which the call looks at them; nothing when all are fine.
// `address_bits` is how wide a virtual address is, sign and all, as the running kernel uses it: 48 or 57 on x86-64; any on
// arm64, where it does not matter; 39, 48 or 57 on riscv64. Zero is fine for every argument.
namespace x86_64 {
[[nodiscard]] std::optional<StartRefusal> ValidateStartRegs(const StartRegs& regs, int address_bits);
}
namespace aarch64 {
[[nodiscard]] std::optional<StartRefusal> ValidateStartRegs(const StartRegs& regs, int address_bits);
}
namespace riscv64 {
[[nodiscard]] std::optional<StartRefusal> ValidateStartRegs(const StartRegs& regs, int address_bits);
}

}  // namespace zxctl::arch
