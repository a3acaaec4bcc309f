#include "arch_machine.h"

namespace zxctl::arch {
namespace {

constexpr size_t kArgument1 = 0;
constexpr size_t kArgument2 = 1;
constexpr size_t kAbiRegister = 18;

}  // namespace

void SetStart(Registers& registers, const StartRegs& start) {
  Registers fresh{};
  fresh.pc = start.pc;
  fresh.sp = start.sp;
  fresh.x[kArgument1] = start.arg1;
  fresh.x[kArgument2] = start.arg2;
  fresh.x[kAbiRegister] = start.abi_reg;
  fresh.tpidr = start.tp;
  fresh.kernel_call = -1;
  registers = fresh;
}

}  // namespace zxctl::arch
