#include <signal.h>

#include <cstring>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// The causes of the machine's exceptions.
enum Cause : uint64_t {
  kIllegalInstruction = 2,
  kBreakpoint = 3,
  kLoadMisaligned = 4,
  kLoadAccessFault = 5,
  kLoadPageFault = 13,
};

static_assert(sizeof(GeneralRegs) == kCoreRegisterBytes);

// The structure is these, 64 bits each.
constexpr std::array<std::string_view, sizeof(GeneralRegs) / sizeof(uint64_t)> kGeneralNames = {
    "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

constexpr auto kGeneralFields = [] {
  std::array<RegisterField, kGeneralNames.size()> fields;
  for (size_t i = 0; i < fields.size(); ++i) {
    fields[i] = {.name = kGeneralNames[i], .offset = i * sizeof(uint64_t), .bytes = sizeof(uint64_t)};
  }
  return fields;
}();

}  // namespace

void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out) {
  out = {};
  // Sent by a program: the machine had no part in it.
  if (code <= 0) return;
  out.riscv_64.tval = address;
  switch (signo) {
    case SIGSEGV:
      out.riscv_64.cause = kLoadPageFault;
      break;
    case SIGBUS:
      out.riscv_64.cause = code == BUS_ADRALN ? kLoadMisaligned : kLoadAccessFault;
      break;
    case SIGILL:
      out.riscv_64.cause = kIllegalInstruction;
      break;
    case SIGTRAP:
      out.riscv_64.cause = kBreakpoint;
      break;
    default:
      out = {};
      break;
  }
}

// Zircon's order is that of the kernel's registers.
GeneralRegs ToZircon(const Registers& r) {
  GeneralRegs out{};
  std::memcpy(&out, &r, sizeof(out));
  return out;
}

std::optional<std::string> FromZircon(const GeneralRegs& from, Registers& r) {
  if (from.pc != r.pc) r.place = generic::CallPlace::kNone;
  std::memcpy(&r, &from, sizeof(from));
  return std::nullopt;
}

std::span<const RegisterField> GeneralFields() { return kGeneralFields; }

}  // namespace zxctl::arch
