#include <algorithm>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// Programs have 48 bits and the kernel has as many, told apart by the bits above. With 52 bits programs have to ask for more.
constexpr int kAddressBits = 48 + 1;
constexpr int kTagBits = 8;

constexpr std::array<std::string_view, 31> kNames = {
    "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30"};

}  // namespace

uint64_t Pc(const Registers& registers) { return registers.pc; }
uint64_t Sp(const Registers& registers) { return registers.sp; }
uint64_t FramePointer(const Registers& registers) { return registers.x[29]; }

std::array<uint32_t, kRegisterCount32> Registers32(const Registers& r) {
  const auto low = [](uint64_t value) { return static_cast<uint32_t>(value); };
  std::array<uint32_t, kRegisterCount32> out{};
  std::transform(r.x.begin(), r.x.begin() + 15, out.begin(), low);
  out[15] = low(r.pc);
  out[16] = low(r.pstate);
  out[17] = low(r.first_argument);
  return out;
}

bool IsCanonical(uint64_t address) {
  const auto untagged = static_cast<int64_t>(address << kTagBits);
  constexpr int kAbove = 64 - kAddressBits;
  return untagged == static_cast<int64_t>(address << kAbove) >> kAbove << kTagBits;
}

size_t NameRegisters(const Registers& r, std::span<NamedValue, kNamedRegisterCount> out) {
  for (size_t i = 0; i < kNames.size(); ++i) out[i] = {kNames[i], r.x[i]};
  out[31] = {"sp", r.sp};
  out[32] = {"pc", r.pc};
  out[33] = {"cpsr", r.pstate};
  out[34] = {"tpidr", r.tpidr};
  return kNamedRegisterCount;
}

}  // namespace zxctl::arch
