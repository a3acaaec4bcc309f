#include <cpuid.h>
#include <sys/auxv.h>

#include <cstddef>
#include <cstring>

#include "arch_machine.h"
#include "bytes.h"

namespace zxctl::arch {
namespace {

// What a running thread of a program always has: the reserved bit and the interrupt flag.
constexpr uint64_t kInitialFlags = 0x202;
constexpr uint16_t kInitialFcw = 0x37f;
constexpr uint32_t kInitialMxcsr = 0x1f80;
// What the kernel gives a program's first thread: key 0 is open, the others are not.
constexpr uint32_t kInitialPkru = 0x55555554;

// What no program can map, at the end of its half.
constexpr uint64_t kLastPageBytes = 4096;
// HWCAP2_FSGSBASE of asm/hwcap2.h
constexpr unsigned long kFsgsbase = 2;

// Of an XSAVE image as ptrace has it.
constexpr size_t kFcwAt = 0;
constexpr size_t kMxcsrAt = 24;
constexpr size_t kFeaturesAt = 464;  // what the kernel saves: XCR0 of the thread
constexpr size_t kPresentAt = 512;   // XSTATE_BV: which parts are not at their initial values
constexpr size_t kHeaderEnd = 576;
constexpr uint64_t kX87AndSse = 3;
constexpr uint32_t kPkruPart = 9;
constexpr int kSetRegisterSet = 0x4205;
constexpr uint32_t kXsaveLeaf = 0xd;

bool KernelTakes(uint64_t base) { return base < (uint64_t{1} << (AddressBits() - 1)) - kLastPageBytes; }

}  // namespace

bool KernelTakesPointers(const Registers& r) { return KernelTakes(r.fs_base) && KernelTakes(r.gs_base); }

bool SamePointers(const Registers& a, const Registers& b) { return a.fs_base == b.fs_base && a.gs_base == b.gs_base; }

bool CanLoadPointers() { return (getauxval(AT_HWCAP2) & kFsgsbase) != 0; }

RegisterPart PartToWrite(const Registers& registers, const RegisterPart& part) {
  if (KernelTakesPointers(registers)) return part;
  RegisterPart short_of = part;
  short_of.write_request = kSetRegisterSet;
  short_of.note_type = 1;  // NT_PRSTATUS
  short_of.bytes = KernelTakes(registers.fs_base) ? offsetof(Registers, gs_base) : offsetof(Registers, fs_base);
  return short_of;
}

void SetStart(Registers& registers, const StartRegs& start) {
  Registers fresh{};
  fresh.cs = registers.cs;
  fresh.ss = registers.ss;
  fresh.rip = start.pc;
  fresh.rsp = start.sp;
  fresh.rdi = start.arg1;
  fresh.rsi = start.arg2;
  fresh.fs_base = start.tp;
  fresh.r15 = start.abi_reg;
  fresh.eflags = kInitialFlags;
  fresh.orig_rax = ~uint64_t{0};
  registers = fresh;
}

void SetInitialVectors(std::span<std::byte> set) {
  if (set.size() < kHeaderEnd) return;
  uint64_t features = 0;
  std::memcpy(&features, set.data() + kFeaturesAt, sizeof(features));
  std::memset(set.data(), 0, set.size());
  Put(set, kFeaturesAt, features);
  Put(set, kFcwAt, kInitialFcw);
  Put(set, kMxcsrAt, kInitialMxcsr);
  uint64_t present = kX87AndSse;
  uint32_t size = 0;
  uint32_t offset = 0;
  uint32_t unused = 0;
  // A part that is not there has its initial value, which for the keys means that all are open.
  if ((features >> kPkruPart & 1) != 0 &&
      __get_cpuid_count(kXsaveLeaf, kPkruPart, &size, &offset, &unused, &unused) != 0) {
    present |= uint64_t{1} << kPkruPart;
    Put(set, offset, kInitialPkru);
  }
  Put(set, kPresentAt, present);
}

}  // namespace zxctl::arch
