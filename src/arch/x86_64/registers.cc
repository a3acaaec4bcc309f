#include <cpuid.h>

#include <array>
#include <fstream>
#include <string>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// The code segment selector of 32-bit user code on a 64-bit kernel.
constexpr uint64_t kUser32Cs = 0x23;

}  // namespace

// /proc/cpuinfo lists la57 only when the kernel has it on.
int AddressBits() {
  static const int bits = [] {
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);) {
      if (line.starts_with("flags")) return line.find(" la57") != std::string::npos ? 57 : 48;
    }
    return 48;
  }();
  return bits;
}

uint64_t Pc(const Registers& registers) { return registers.rip; }
uint64_t Sp(const Registers& registers) { return registers.rsp; }
uint64_t FramePointer(const Registers& registers) { return registers.rbp; }

Bits CodeBits(const Registers& registers) { return registers.cs == kUser32Cs ? Bits::k32 : Bits::k64; }

std::array<uint32_t, kRegisterCount32> Registers32(const Registers& r) {
  const auto low = [](uint64_t value) { return static_cast<uint32_t>(value); };
  return {low(r.rbx), low(r.rcx), low(r.rdx),    low(r.rsi), low(r.rdi), low(r.rbp),
          low(r.rax), low(r.ds),  low(r.es),     low(r.fs),  low(r.gs),  low(r.orig_rax),
          low(r.rip), low(r.cs),  low(r.eflags), low(r.rsp), low(r.ss)};
}

bool IsCanonical(uint64_t address) {
  const int shift = 64 - AddressBits();
  return static_cast<uint64_t>(static_cast<int64_t>(address << shift) >> shift) == address;
}

size_t NameRegisters(const Registers& r, std::span<NamedValue, kNamedRegisterCount> out) {
  if (CodeBits(r) == Bits::k32) {
    const std::array<NamedValue, 16> named = {{{"eax", r.rax},
                                               {"ebx", r.rbx},
                                               {"ecx", r.rcx},
                                               {"edx", r.rdx},
                                               {"esi", r.rsi},
                                               {"edi", r.rdi},
                                               {"ebp", r.rbp},
                                               {"esp", r.rsp},
                                               {"eip", r.rip},
                                               {"eflags", r.eflags},
                                               {"cs", r.cs},
                                               {"ss", r.ss},
                                               {"ds", r.ds},
                                               {"es", r.es},
                                               {"fs", r.fs},
                                               {"gs", r.gs}}};
    std::copy(named.begin(), named.end(), out.begin());
    return named.size();
  }
  const std::array<NamedValue, kNamedRegisterCount> named = {
      {{"rax", r.rax},         {"rbx", r.rbx},         {"rcx", r.rcx},
       {"rdx", r.rdx},         {"rsi", r.rsi},         {"rdi", r.rdi},
       {"rbp", r.rbp},         {"rsp", r.rsp},         {"r8", r.r8},
       {"r9", r.r9},           {"r10", r.r10},         {"r11", r.r11},
       {"r12", r.r12},         {"r13", r.r13},         {"r14", r.r14},
       {"r15", r.r15},         {"rip", r.rip},         {"eflags", r.eflags},
       {"fs_base", r.fs_base}, {"gs_base", r.gs_base}, {"cs", r.cs},
       {"ss", r.ss},           {"ds", r.ds},           {"es", r.es},
       {"fs", r.fs},           {"gs", r.gs},           {"orig_rax", r.orig_rax}}};
  std::copy(named.begin(), named.end(), out.begin());
  return named.size();
}

}  // namespace zxctl::arch
