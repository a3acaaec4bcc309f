#include "arch/start_regs.h"

#include <fmt/format.h>

namespace zxctl::arch {

std::string_view Name(StartArgument argument) {
  switch (argument) {
    case StartArgument::kPc:
      return "pc";
    case StartArgument::kSp:
      return "sp";
    case StartArgument::kArg1:
      return "arg1";
    case StartArgument::kArg2:
      return "arg2";
    case StartArgument::kTp:
      return "tp";
    case StartArgument::kAbiReg:
      return "abi_reg";
  }
  return "?";
}

std::string StartRefusal::ToString() const { return fmt::format("{} {:#x} {}", Name(argument), value, reason); }

}  // namespace zxctl::arch
