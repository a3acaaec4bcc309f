#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "report/cfi.h"

namespace zxctl::report {
namespace {

constexpr size_t kMaxOperations = 1000;
constexpr size_t kMaxStack = 64;

struct FrameDeleter {
  void operator()(Dwarf_Frame* frame) const { std::free(frame); }
};
using FramePointer = std::unique_ptr<Dwarf_Frame, FrameDeleter>;

// A DWARF expression over a frame's registers and memory. Fails on anything that call frame information does not use.
class Expression {
 public:
  Expression(MemorySource& memory, const UnwindRegisters& registers, size_t register_count, size_t word_bytes,
             std::optional<uint64_t> cfa)
      : memory_(memory), registers_(registers), register_count_(register_count), word_bytes_(word_bytes), cfa_(cfa) {}

  // The top of the stack after all operations. `is_value` tells an address from a value.
  [[nodiscard]] std::optional<uint64_t> Evaluate(std::span<const Dwarf_Op> operations, bool& is_value) {
    is_value = false;
    if (operations.size() > kMaxOperations) return std::nullopt;
    for (const Dwarf_Op& operation : operations) {
      if (operation.atom == DW_OP_stack_value) {
        is_value = true;
      } else if (!Run(operation) || stack_.size() > kMaxStack) {
        return std::nullopt;
      }
    }
    return Pop();
  }

 private:
  std::optional<uint64_t> Pop() {
    if (stack_.empty()) return std::nullopt;
    const uint64_t top = stack_.back();
    stack_.pop_back();
    return top;
  }

  bool Push(std::optional<uint64_t> value) {
    if (value) stack_.push_back(word_bytes_ == 4 ? *value & 0xffffffff : *value);
    return value.has_value();
  }

  std::optional<uint64_t> Register(uint64_t number, uint64_t offset) const {
    if (number >= register_count_ || !registers_.Has(number)) return std::nullopt;
    return registers_.value[number] + offset;
  }

  bool Run(const Dwarf_Op& op) {
    if (op.atom >= DW_OP_lit0 && op.atom <= DW_OP_lit31) return Push(op.atom - DW_OP_lit0);
    if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31) return Push(Register(op.atom - DW_OP_breg0, op.number));
    switch (op.atom) {
      case DW_OP_call_frame_cfa:
        return Push(cfa_);
      case DW_OP_bregx:
        return Push(Register(op.number, op.number2));
      case DW_OP_addr:
      case DW_OP_const1u:
      case DW_OP_const1s:
      case DW_OP_const2u:
      case DW_OP_const2s:
      case DW_OP_const4u:
      case DW_OP_const4s:
      case DW_OP_const8u:
      case DW_OP_const8s:
      case DW_OP_constu:
      case DW_OP_consts:
        return Push(op.number);
      case DW_OP_plus_uconst:
        return RunUnary([&](uint64_t a) { return a + op.number; });
      case DW_OP_deref:
        return RunDeref();
      default:
        return RunBinary(op.atom);
    }
  }

  template <typename F>
  bool RunUnary(F&& f) {
    const auto a = Pop();
    return a && Push(f(*a));
  }

  bool RunDeref() {
    const auto address = Pop();
    return address && Push(memory_.ReadWord(*address, word_bytes_));
  }

  bool RunBinary(uint8_t atom) {
    const auto b = Pop();
    const auto a = Pop();
    if (!a || !b) return false;
    switch (atom) {
      case DW_OP_plus:
        return Push(*a + *b);
      case DW_OP_minus:
        return Push(*a - *b);
      case DW_OP_and:
        return Push(*a & *b);
      case DW_OP_or:
        return Push(*a | *b);
      case DW_OP_mul:
        return Push(*a * *b);
      case DW_OP_shl:
        return Push(*b < 64 ? *a << *b : 0);
      case DW_OP_shr:
        return Push(*b < 64 ? *a >> *b : 0);
      case DW_OP_ge:
        return Push(static_cast<int64_t>(*a) >= static_cast<int64_t>(*b) ? 1 : 0);
      case DW_OP_lt:
        return Push(static_cast<int64_t>(*a) < static_cast<int64_t>(*b) ? 1 : 0);
      default:
        return false;
    }
  }

  MemorySource& memory_;
  const UnwindRegisters& registers_;
  size_t register_count_;
  size_t word_bytes_;
  std::optional<uint64_t> cfa_;
  std::vector<uint64_t> stack_;
};

// Works out the caller's registers from one row of call frame information.
class FrameRow {
 public:
  FrameRow(MemorySource& memory, const UnwindLayout& layout, const UnwindRegisters& registers, Dwarf_Frame* frame)
      : memory_(memory), layout_(layout), registers_(registers), frame_(frame) {}

  [[nodiscard]] CfiStep Apply(UnwindRegisters& caller) {
    cfa_ = Cfa();
    const int return_register = dwarf_frame_info(frame_, nullptr, nullptr, nullptr);
    if (!cfa_ || return_register < 0 || static_cast<size_t>(return_register) >= layout_.count) return CfiStep::kNoInfo;
    return_register_ = static_cast<size_t>(return_register);
    caller = {};
    for (size_t number = 0; number < layout_.count; ++number) TakeRegister(number, caller);
    caller.Set(layout_.sp, *cfa_);
    if (layout_.HasLink() && caller.Has(return_register_)) caller.Set(layout_.pc, caller.value[return_register_]);
    if (!return_rule_) return CfiStep::kNoInfo;
    return caller.Has(layout_.pc) ? CfiStep::kStepped : CfiStep::kEndOfStack;
  }

 private:
  std::optional<uint64_t> Run(const Dwarf_Op* operations, size_t count, bool& is_value) {
    Expression expression(memory_, registers_, layout_.count, layout_.word_bytes, cfa_);
    return expression.Evaluate({operations, count}, is_value);
  }

  std::optional<uint64_t> Cfa() {
    Dwarf_Op* operations = nullptr;
    size_t count = 0;
    bool is_value = false;
    if (dwarf_frame_cfa(frame_, &operations, &count) != 0 || count == 0) return std::nullopt;
    return Run(operations, count, is_value);
  }

  void TakeRegister(size_t number, UnwindRegisters& caller) {
    Dwarf_Op room[3];
    Dwarf_Op* operations = nullptr;
    size_t count = 0;
    if (dwarf_frame_register(frame_, static_cast<int>(number), room, &operations, &count) != 0) return;
    if (number == return_register_) return_rule_ = true;
    if (count == 0) {
      const bool same_value = operations == nullptr;
      if (same_value && registers_.Has(number) && number != layout_.pc) caller.Set(number, registers_.value[number]);
      return;
    }
    bool is_value = false;
    const auto found = Run(operations, count, is_value);
    const auto value = found && !is_value ? memory_.ReadWord(*found, layout_.word_bytes) : found;
    if (value) caller.Set(number, *value);
  }

  MemorySource& memory_;
  const UnwindLayout& layout_;
  const UnwindRegisters& registers_;
  Dwarf_Frame* frame_;
  std::optional<uint64_t> cfa_;
  size_t return_register_ = 0;
  bool return_rule_ = false;
};

FramePointer RowAt(Dwarf_CFI* cfi, uint64_t address) {
  Dwarf_Frame* frame = nullptr;
  const bool found = cfi != nullptr && dwarf_cfi_addrframe(cfi, address, &frame) == 0;
  return FramePointer(found ? frame : nullptr);
}

FramePointer FindRow(Dwfl_Module* module, uint64_t pc) {
  using Getter = Dwarf_CFI* (*)(Dwfl_Module*, Dwarf_Addr*);
  for (const Getter get : {Getter{&dwfl_module_eh_cfi}, Getter{&dwfl_module_dwarf_cfi}}) {
    Dwarf_Addr bias = 0;
    Dwarf_CFI* cfi = get(module, &bias);
    if (FramePointer row = RowAt(cfi, pc - bias)) return row;
  }
  return nullptr;
}

}  // namespace

// A copy of the vdso's image, read as an ELF file.
class VdsoCfi {
 public:
  VdsoCfi(MemorySource& memory, const LoadedModule& module)
      : image_(std::min(module.end - module.start, kMaxVdsoBytes)), bias_(module.image ? module.image->bias : 0) {
    image_.resize(memory.Read(module.start, std::as_writable_bytes(std::span(image_))));
    if (image_.empty()) return;
    elf_.reset(elf_memory(image_.data(), image_.size()));
    if (elf_) cfi_.reset(dwarf_getcfi_elf(elf_.get()));
  }

  [[nodiscard]] FramePointer FindRow(uint64_t pc) const { return RowAt(cfi_.get(), pc - bias_); }

 private:
  static constexpr uint64_t kMaxVdsoBytes = 1 << 20;

  struct ElfCloser {
    void operator()(Elf* elf) const { elf_end(elf); }
  };
  struct CfiCloser {
    void operator()(Dwarf_CFI* cfi) const { dwarf_cfi_end(cfi); }
  };

  std::vector<char> image_;
  uint64_t bias_;
  std::unique_ptr<Elf, ElfCloser> elf_;
  std::unique_ptr<Dwarf_CFI, CfiCloser> cfi_;
};

FileCfi::FileCfi(MemorySource& memory, ModuleTable& modules, ModuleFiles& files, arch::Bits bits)
    : memory_(memory), modules_(modules), files_(files), layout_(LayoutOf(bits)) {}

FileCfi::~FileCfi() = default;

CfiStep FileCfi::Step(UnwindRegisters& registers, uint64_t lookup_pc) {
  LoadedModule* module = modules_.Find(lookup_pc);
  if (module == nullptr) return CfiStep::kNoInfo;
  FramePointer row;
  if (module->path == "[vdso]") {
    if (!vdso_) vdso_ = std::make_unique<VdsoCfi>(memory_, *module);
    row = vdso_->FindRow(lookup_pc);
  } else if (Dwfl_Module* file = files_.Open(*module)) {
    row = FindRow(file, lookup_pc);
  }
  if (!row) return CfiStep::kNoInfo;
  UnwindRegisters caller;
  const CfiStep step = FrameRow(memory_, layout_, registers, row.get()).Apply(caller);
  if (step == CfiStep::kStepped) registers = caller;
  return step;
}

}  // namespace zxctl::report
