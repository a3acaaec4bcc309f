// What a thread begins with on this machine, and what it cannot begin with, for tests that run on all machines. Each folder beside this one
// answers with the same names.
#pragma once

#include <cstdint>

#include "arch/start_regs.h"
#include "general_registers.h"

namespace zxctl::test {

constexpr uint64_t kInitialFlags = 0x202;
constexpr uint64_t kInitialFloatControl[2] = {0x1f80, 0x37f};  // mxcsr, x87's control word
// What the leader of target_start has in them with "unusual".
constexpr uint64_t kUnusualFloatControl[2] = {0xffbf, 0x27f};
// Values of pc that are refused.
constexpr uint64_t kBadPcs[] = {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 47};
// Whether there are values of tp that are refused.
constexpr bool kChecksTp = true;

[[nodiscard]] inline uint64_t FlagsOf(const GeneralRegs& registers) { return registers.rflags; }
[[nodiscard]] inline uint64_t FirstArgumentOf(const GeneralRegs& registers) { return registers.rdi; }
// All the registers of a thread that begins with these.
[[nodiscard]] inline GeneralRegs InitialRegs(const arch::StartRegs& given) {
  GeneralRegs registers = {};
  registers.rip = given.pc;
  registers.rsp = given.sp;
  registers.rdi = given.arg1;
  registers.rsi = given.arg2;
  registers.r15 = given.abi_reg;
  registers.fs_base = given.tp;
  registers.rflags = kInitialFlags;
  return registers;
}
// Where a thread is that was started at a pc which is not refused.
[[nodiscard]] inline uint64_t PcThatArrives(uint64_t pc) { return pc; }

}  // namespace zxctl::test
