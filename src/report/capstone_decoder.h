// Capstone for the folders of the machines.
#pragma once

#include <capstone/capstone.h>

#include <cstdint>
#include <memory>
#include <span>

namespace zxctl::report {

struct InstructionDeleter {
  void operator()(cs_insn* instruction) const { cs_free(instruction, 1); }
};
using CapstoneInstruction = std::unique_ptr<cs_insn, InstructionDeleter>;

class CapstoneDecoder {
 public:
  // `option` is set to `value`, as cs_option() takes them.
  CapstoneDecoder(cs_arch arch, int mode, cs_opt_type option, size_t value) {
    valid_ = cs_open(arch, static_cast<cs_mode>(mode), &handle_) == CS_ERR_OK;
    if (valid_) cs_option(handle_, option, value);
  }
  CapstoneDecoder(const CapstoneDecoder&) = delete;
  CapstoneDecoder& operator=(const CapstoneDecoder&) = delete;
  ~CapstoneDecoder() {
    if (valid_) cs_close(&handle_);
  }

  // The instruction at the front of `code`, null when it is none.
  [[nodiscard]] CapstoneInstruction Decode(std::span<const uint8_t> code, uint64_t address) const {
    cs_insn* found = nullptr;
    if (!valid_ || cs_disasm(handle_, code.data(), code.size(), address, 1, &found) != 1) return nullptr;
    return CapstoneInstruction(found);
  }
  [[nodiscard]] const char* RegisterName(unsigned reg) const { return cs_reg_name(handle_, reg); }

 private:
  csh handle_ = 0;
  bool valid_ = false;
};

}  // namespace zxctl::report
