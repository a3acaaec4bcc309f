// What a thread begins with on this machine, and what it cannot begin with, for tests that run on all machines; the x86-64 folder says what each
// name means.
#pragma once

#include <cstdint>

#include "arch/start_regs.h"
#include "general_registers.h"

namespace zxctl::test {

constexpr uint64_t kInitialFlags = 0;                 // there are none
constexpr uint64_t kInitialFloatControl[2] = {0, 0};  // fcsr
constexpr uint64_t kUnusualFloatControl[2] = {0x5f, 0};
constexpr uint64_t kBadPcs[] = {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 56};
constexpr bool kChecksTp = false;

[[nodiscard]] inline uint64_t FlagsOf(const GeneralRegs& /*registers*/) { return kInitialFlags; }
[[nodiscard]] inline uint64_t FirstArgumentOf(const GeneralRegs& registers) { return registers.a0; }
[[nodiscard]] inline GeneralRegs InitialRegs(const arch::StartRegs& given) {
  GeneralRegs registers = {};
  registers.pc = given.pc;
  registers.sp = given.sp;
  registers.gp = given.abi_reg;
  registers.tp = given.tp;
  registers.a0 = given.arg1;
  registers.a1 = given.arg2;
  return registers;
}
[[nodiscard]] inline uint64_t PcThatArrives(uint64_t pc) { return pc; }

}  // namespace zxctl::test
