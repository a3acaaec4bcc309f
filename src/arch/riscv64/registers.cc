#include <algorithm>
#include <fstream>
#include <string>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

constexpr std::array<std::string_view, 31> kNames = {"ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0", "a1",
                                                     "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5", "s6",
                                                     "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

}  // namespace

// /proc/cpuinfo says "mmu : sv57"; where it does not, the least that Linux has.
int AddressBits() {
  static const int bits = [] {
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);) {
      if (!line.starts_with("mmu")) continue;
      if (line.ends_with("sv57")) return 57;
      return line.ends_with("sv48") ? 48 : 39;
    }
    return 39;
  }();
  return bits;
}

uint64_t Pc(const Registers& registers) { return registers.pc; }
uint64_t Sp(const Registers& registers) { return registers.x[kSp]; }
uint64_t FramePointer(const Registers& registers) { return registers.x[kS0]; }

std::array<uint32_t, kRegisterCount32> Registers32(const Registers& r) {
  std::array<uint32_t, kRegisterCount32> out{};
  out[0] = static_cast<uint32_t>(r.pc);
  std::transform(r.x.begin(), r.x.end(), out.begin() + 1, [](uint64_t value) { return static_cast<uint32_t>(value); });
  return out;
}

bool IsCanonical(uint64_t address) {
  const int shift = 64 - AddressBits();
  return static_cast<uint64_t>(static_cast<int64_t>(address << shift) >> shift) == address;
}

size_t NameRegisters(const Registers& r, std::span<NamedValue, kNamedRegisterCount> out) {
  out[0] = {"pc", r.pc};
  for (size_t i = 0; i < kNames.size(); ++i) out[i + 1] = {kNames[i], r.x[i]};
  return kNamedRegisterCount;
}

}  // namespace zxctl::arch
