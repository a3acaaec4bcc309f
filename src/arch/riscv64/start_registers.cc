#include <cstddef>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

constexpr size_t kGp = 2;
constexpr size_t kTp = 3;

}  // namespace

void SetStart(Registers& registers, const StartRegs& start) {
  Registers fresh{};
  fresh.pc = start.pc;
  fresh.x[kSp] = start.sp;
  fresh.x[kA0] = start.arg1;
  fresh.x[kA0 + 1] = start.arg2;
  fresh.x[kTp] = start.tp;
  fresh.x[kGp] = start.abi_reg;
  registers = fresh;
}

}  // namespace zxctl::arch
