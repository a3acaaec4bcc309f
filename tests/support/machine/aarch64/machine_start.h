// What a thread begins with on this machine, and what it cannot begin with, for tests that run on all machines; the x86-64 folder says what each
// name means.
#pragma once

#include <cstdint>

#include "arch/start_regs.h"
#include "general_registers.h"

namespace zxctl::test {

constexpr uint64_t kInitialFlags = 0;
constexpr uint64_t kInitialFloatControl[2] = {0, 0};  // fpcr, fpsr
constexpr uint64_t kUnusualFloatControl[2] = {0x3c00000, 0x800009f};
constexpr uint64_t kBadPcs[] = {uint64_t{1} << 55, ~uint64_t{0}, 0xffff000000000000};
constexpr bool kChecksTp = false;

[[nodiscard]] inline uint64_t FlagsOf(const GeneralRegs& registers) { return registers.cpsr; }
[[nodiscard]] inline uint64_t FirstArgumentOf(const GeneralRegs& registers) { return registers.r[0]; }
[[nodiscard]] inline GeneralRegs InitialRegs(const arch::StartRegs& given) {
  GeneralRegs registers = {};
  registers.r[0] = given.arg1;
  registers.r[1] = given.arg2;
  registers.r[18] = given.abi_reg;
  registers.sp = given.sp;
  registers.pc = given.pc;
  registers.tpidr = given.tp;
  return registers;
}
// The processor drops the tag of an address that it goes to.
[[nodiscard]] inline uint64_t PcThatArrives(uint64_t pc) { return pc << 8 >> 8; }

}  // namespace zxctl::test
