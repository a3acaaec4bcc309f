// Registers: those that a VCPU begins with, those that the program sees and writes, and what is left of a former VCPU's.
#include <array>
#include <cstring>
#include <vector>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

GUEST_CODE(kOutForEver, R"(
1:
  out %al, $1
  jmp 1b
)");
GUEST_CODE(kShowFlags, R"(
1:
  pushfq
  pop %rbx
  out %al, $1
  jmp 1b
)");

// ---- what the program sees and writes --------------------------------------------------------------------------------

class VcpuState : public ::testing::Test {
 protected:
  void Start(const GuestCode& code) {
    guest_.emplace(code);
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  }
  void RunOnce() { ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError(); }

  std::optional<TestGuest> guest_;
};

TEST_F(VcpuState, KindsAndSizes) {
  REQUIRE_GUESTS();
  Start(kOutForEver);
  const zx_handle_t vcpu = guest_->vcpu();
  std::array<std::byte, 256> buffer = {};
  for (const size_t size : {0, 8, 135, 137, 256}) {
    EXPECT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, buffer.data(), size), ZX_ERR_INVALID_ARGS) << size;
    EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_STATE, buffer.data(), size), ZX_ERR_INVALID_ARGS) << size;
  }
  for (const size_t size : {0, 7, 9, 136}) {
    EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_IO, buffer.data(), size), ZX_ERR_INVALID_ARGS) << size;
  }
  // What was read from a port is written, and not read.
  EXPECT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_IO, buffer.data(), sizeof(zx_vcpu_io_t)), ZX_ERR_INVALID_ARGS);
  for (const uint32_t kind : {2U, UINT32_MAX}) {
    EXPECT_EQ(zx_vcpu_read_state(vcpu, kind, buffer.data(), sizeof(zx_vcpu_state_t)), ZX_ERR_INVALID_ARGS) << kind;
    EXPECT_EQ(zx_vcpu_write_state(vcpu, kind, buffer.data(), sizeof(zx_vcpu_state_t)), ZX_ERR_INVALID_ARGS) << kind;
  }
  EXPECT_EQ(guest_->State().rsp, TestGuest::kStack);
  // A buffer that is written from may stand anywhere.
  zx_vcpu_state_t state = guest_->State();
  state.r9 = 99;
  std::memcpy(buffer.data() + 1, &state, sizeof(state));
  EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_STATE, buffer.data() + 1, sizeof(state)), ZX_OK) << LastError();
  EXPECT_EQ(guest_->State().r9, 99U);
}

TEST_F(VcpuState, AnAccessIsOfOneTwoOrFourBytes) {
  REQUIRE_GUESTS();
  Start(kOutForEver);
  zx_vcpu_state_t state = guest_->State();
  state.rax = 0x1122334455667788;
  guest_->Set(state);
  for (const int size : {0, 3, 5, 8, 255}) {
    zx_vcpu_io_t io = {.access_size = static_cast<uint8_t>(size)};
    io.u32 = 0xffffffff;
    EXPECT_EQ(zx_vcpu_write_state(guest_->vcpu(), ZX_VCPU_IO, &io, sizeof(io)), ZX_ERR_INVALID_ARGS) << size;
    EXPECT_NE(LastError().find("access_size"), std::string::npos);
    EXPECT_EQ(guest_->State().rax, 0x1122334455667788U);
  }
  guest_->Answer(2, 0xabcd);
  EXPECT_EQ(guest_->State().rax, 0x112233445566abcdU);
}

TEST_F(VcpuState, EveryRegisterThatIsWrittenIsThereAndInItsPlace) {
  REQUIRE_GUESTS();
  Start(kOutForEver);
  std::array<uint64_t, 16> values = {};
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0x0101010101010101 * (i + 1);
  zx_vcpu_state_t state = {};
  std::memcpy(&state, values.data(), sizeof(values));
  guest_->Set(state);
  RunOnce();
  state = guest_->State();
  EXPECT_EQ(std::memcmp(&state, values.data(), sizeof(values)), 0);
  EXPECT_EQ(state.rcx, 0x0202020202020202U);
  EXPECT_EQ(state.rsp, 0x0505050505050505U);
  EXPECT_EQ(state.rdi, 0x0808080808080808U);
}

// CF PF AF ZF SF TF DF OF NT AC ID are shown and written; bit 1 says that they are meant.
TEST_F(VcpuState, TheFlagsOfPrograms) {
  REQUIRE_GUESTS();
  Start(kShowFlags);
  constexpr uint64_t kShown = 0x244dd5;
  constexpr uint64_t kStep = 1 << 8;
  zx_vcpu_state_t state = guest_->State();
  EXPECT_EQ(state.rflags, 0U);
  state.rflags = ~uint64_t{0};
  guest_->Set(state);
  EXPECT_EQ(guest_->State().rflags, kShown);
  state.rflags = 0;
  guest_->Set(state);
  EXPECT_EQ(guest_->State().rflags, kShown);
  state.rflags = ~kStep;
  guest_->Set(state);
  RunOnce();
  // IF, IOPL, RF and VM are the guest's own; a step would be a trap to it.
  EXPECT_EQ(guest_->State().rbx, (kShown & ~kStep) | 2);
  state = guest_->State();
  state.rflags = 2;
  guest_->Set(state);
  RunOnce();
  EXPECT_EQ(guest_->State().rbx, 2U);
}

// ---- what it begins with ---------------------------------------------------------------------------------------------

// Writes all that it finds to 0x30000 and further, and at last, from user code, to a trap.
GUEST_CODE(kReport, R"(
  mov %rax, 0x30000
  mov %rcx, 0x30008
  mov %rdx, 0x30010
  mov %rbx, 0x30018
  mov %rsp, 0x30020
  mov %rbp, 0x30028
  mov %rsi, 0x30030
  mov %rdi, 0x30038
  mov %r8, 0x30040
  mov %r9, 0x30048
  mov %r10, 0x30050
  mov %r11, 0x30058
  mov %r12, 0x30060
  mov %r13, 0x30068
  mov %r14, 0x30070
  mov %r15, 0x30078
  mov $0x20000, %rsp
  pushfq
  pop %rax
  mov %rax, 0x30080
  mov %cr0, %rax
  mov %rax, 0x30088
  mov %cr2, %rax
  mov %rax, 0x30090
  mov %cr3, %rax
  mov %rax, 0x30098
  mov %cr4, %rax
  mov %rax, 0x300a0
  mov %cr8, %rax
  mov %rax, 0x300a8
  mov %dr0, %rax
  mov %rax, 0x300b0
  mov %dr6, %rax
  mov %rax, 0x300b8
  mov %dr7, %rax
  mov %rax, 0x300c0
  mov %cs, %eax
  mov %eax, 0x300c8
  mov %ds, %eax
  mov %eax, 0x300cc
  mov %es, %eax
  mov %eax, 0x300d0
  mov %ss, %eax
  mov %eax, 0x300d4
  mov %fs, %eax
  mov %eax, 0x300d8
  mov %gs, %eax
  mov %eax, 0x300dc
  sgdt 0x300e0
  sidt 0x300f0
  mov $0x2e000, %esi
  mov $0x30200, %edi
1:
  mov (%rsi), %ecx
  test %ecx, %ecx
  jz 2f
  rdmsr
  mov %eax, (%rdi)
  mov %edx, 4(%rdi)
  add $4, %esi
  add $8, %edi
  jmp 1b
2:
  mov $0x2e800, %esi
  mov $0x30400, %edi
3:
  mov (%rsi), %eax
  cmp $-1, %eax
  je 4f
  mov 4(%rsi), %ecx
  cpuid
  mov %eax, (%rdi)
  mov %ebx, 4(%rdi)
  mov %ecx, 8(%rdi)
  mov %edx, 12(%rdi)
  add $8, %esi
  add $16, %edi
  jmp 3b
4:
  mov %cr4, %rax
  or $0x600, %rax
  mov %rax, %cr4
  movups %xmm3, 0x30100
)" GUEST_TO_USER_MODE);
GUEST_CODE(kReportFromUserCode, R"(
  stmxcsr 0x30110
  fnstcw 0x30114
  mov %eax, 0x200000
1:
  jmp 1b
)");
// Writes to everything that a program can write to.
GUEST_CODE(kSpoil, R"(
  mov $0x2e000, %esi
1:
  mov (%rsi), %ecx
  test %ecx, %ecx
  jz 2f
  cmp $0x1b, %ecx
  je 3f
  cmp $0xc0000080, %ecx
  je 3f
  mov $0x06060000, %edx
  mov $0x06060606, %eax
  cmp $0x277, %ecx
  je 4f
  mov $0x00007fff, %edx
4:
  wrmsr
3:
  add $4, %esi
  jmp 1b
2:
  mov $0x123456, %eax
  mov %rax, %cr2
  mov %rax, %dr0
  mov $7, %eax
  mov %rax, %cr8
  mov $0x401, %eax
  mov %rax, %dr7
  mov %cr4, %rax
  or $0x600, %rax
  mov %rax, %cr4
  movups 0x10000, %xmm3
  lidt 0x7f00
  lgdt 0x7f00
  mov $0x10, %eax
  mov %eax, %gs
  mov $0x20000, %rsp
  push $0x1b
  push $0x180000
  push $0x202
  push $0x23
  push $0x110000
  iretq
)");
GUEST_CODE(kSpoilFromUserCode, R"(
  movl $0x7f80, 0x30300
  ldmxcsr 0x30300
  movw $0x27f, 0x30300
  fldcw 0x30300
  movups 0x10000, %xmm3
  mov $-1, %rax
  mov %rax, %rbx
  mov %rax, %r15
  mov %eax, 0x200000
1:
  jmp 1b
)");

// In the order of the words at 0x30200: EFER, APIC base, SYSENTER, PAT, SYSCALL, bases of segments.
constexpr std::array<uint32_t, 14> kMsrs = {0xc0000080, 0x1b,       0x174,      0x175,      0x176,
                                            0x277,      0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,
                                            0xc0000100, 0xc0000101, 0xc0000102, 0};
struct Leaf {
  uint32_t leaf;
  uint32_t subleaf;
};
constexpr std::array<Leaf, 8> kLeaves = {
    {{0, 0}, {1, 0}, {0x40000000, 0}, {0x40000001, 0}, {0x80000001, 0}, {0xd, 0}, {0x00ffffff, 0}, {~0U, 0}}};

class VcpuBegins : public ::testing::Test {
 protected:
  static constexpr uint64_t kReportAt = 0x30000;
  static constexpr uint64_t kReportBytes = 0x1000;

  void SetUp() override {
    REQUIRE_GUESTS();
    guest_.emplace();
    guest_->WriteDescriptors();
    ASSERT_EQ(zx_vmo_write(guest_->vmo(), kMsrs.data(), 0x2e000, sizeof(kMsrs)), ZX_OK);
    ASSERT_EQ(zx_vmo_write(guest_->vmo(), kLeaves.data(), 0x2e800, sizeof(kLeaves)), ZX_OK);
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_MEM, 0x200000, 0x1000), ZX_OK);
  }
  void TearDown() override { zx_handle_close(vcpu_); }
  // A VCPU that runs this from its beginning, as far as the trap.
  void Run(const GuestCode& kernel, const GuestCode& user) {
    guest_->Load(kernel);
    guest_->Load(user, TestGuest::kUserEntry);
    ASSERT_EQ(zx_vcpu_create(guest_->guest(), 0, TestGuest::kEntry, &vcpu_), ZX_OK) << LastError();
    zx_port_packet_t packet = {};
    ASSERT_EQ(zx_vcpu_resume(vcpu_, &packet), ZX_OK) << LastError();
    ASSERT_EQ(packet.type, ZX_PKT_TYPE_GUEST_MEM);
  }
  std::vector<uint32_t> Report() {
    std::vector<uint32_t> words(kReportBytes / sizeof(uint32_t));
    EXPECT_EQ(zx_vmo_read(guest_->vmo(), words.data(), kReportAt, kReportBytes), ZX_OK);
    return words;
  }
  uint64_t At(uint64_t offset) { return guest_->Word(kReportAt + offset); }
  uint32_t Half(uint64_t offset) { return static_cast<uint32_t>(At(offset)); }
  std::array<uint32_t, 4> Cpuid(uint32_t leaf) {
    std::array<uint32_t, 4> out = {};
    for (size_t i = 0; i < kLeaves.size(); ++i) {
      if (kLeaves[i].leaf != leaf) continue;
      EXPECT_EQ(zx_vmo_read(guest_->vmo(), out.data(), kReportAt + 0x400 + 16 * i, sizeof(out)), ZX_OK);
    }
    return out;
  }

  std::optional<TestGuest> guest_;
  zx_handle_t vcpu_ = ZX_HANDLE_INVALID;
};

TEST_F(VcpuBegins, TheFirstOneIn64BitMode) {
  Run(kReport, kReportFromUserCode);
  for (uint64_t i = 0; i < 16; ++i) EXPECT_EQ(At(8 * i), 0U) << "general register " << i;
  EXPECT_EQ(At(0x80), 2U);           // rflags
  EXPECT_EQ(At(0x88), 0x80000031U);  // cr0
  EXPECT_EQ(At(0x90), 0U);
  EXPECT_EQ(At(0x98), 0U);     // cr3
  EXPECT_EQ(At(0xa0), 0x20U);  // cr4
  EXPECT_EQ(At(0xa8), 0U);     // cr8
  EXPECT_EQ(At(0xb0), 0U);     // dr0
  EXPECT_EQ(At(0xc0), 0x400U);
  EXPECT_EQ(Half(0xc8), 8U);  // cs
  for (const uint64_t at : {0xcc, 0xd0, 0xd4, 0xd8, 0xdc}) EXPECT_EQ(Half(at), 16U) << std::hex << at;
  EXPECT_EQ(At(0xe0), 0xffffU);  // the GDT's limit, and the low bytes of its base
  EXPECT_EQ(At(0xf0), 0xffffU);
  EXPECT_EQ(At(0x200), 0xd01U);       // EFER
  EXPECT_EQ(At(0x208), 0xfee00d00U);  // the local APIC: on, in x2APIC mode, of the processor that boots
  EXPECT_EQ(Half(0x110), 0x1f80U);    // MXCSR
  EXPECT_EQ(Half(0x114) & 0xffff, 0x37fU);
}

TEST_F(VcpuBegins, WhatCpuidSays) {
  Run(kReport, kReportFromUserCode);
  const auto [max, vendor_b, vendor_c, vendor_d] = Cpuid(0);
  const auto features = Cpuid(1);
  EXPECT_EQ(features[1] >> 24, 0U);  // the APIC's id
  EXPECT_NE(features[2] & 1U << 31, 0U) << "hypervisor";
  EXPECT_NE(features[2] & 1U << 21, 0U) << "x2APIC";
  EXPECT_EQ(features[2] & 1U << 3, 0U) << "MONITOR";
  EXPECT_EQ(features[2] & 1U << 5, 0U) << "VMX";
  EXPECT_EQ(features[2] & 1U << 24, 0U) << "the APIC timer's deadline mode";
  EXPECT_EQ(Cpuid(0x80000001)[2] & 1U << 2, 0U) << "SVM";
  const auto kvm = Cpuid(0x40000000);
  EXPECT_EQ(std::memcmp(&kvm[1], "KVMKVMKVM\0\0\0", 12), 0);
  EXPECT_EQ(Cpuid(0x40000001)[0] & ~0x0100'0009U, 0U) << "more than clocks";
  // XCR0 is x87 alone: what XSAVE needs now is its legacy region and its header.
  if (max >= 0xd && Cpuid(0xd)[1] != 0) {
    EXPECT_EQ(Cpuid(0xd)[1], 576U);
  }
  // A leaf that there is not is the highest on Intel's processors, and 0 on others.
  const bool is_intel = vendor_b == 0x756e6547 && vendor_d == 0x49656e69 && vendor_c == 0x6c65746e;
  if (!is_intel) {
    EXPECT_EQ(Cpuid(0x00ffffff), (std::array<uint32_t, 4>{}));
  }
}

TEST_F(VcpuBegins, ANumberThatIsUsedAgainForgetsEverything) {
  Run(kReport, kReportFromUserCode);
  const std::vector<uint32_t> fresh = Report();
  ASSERT_EQ(zx_handle_close(vcpu_), ZX_OK);
  Run(kSpoil, kSpoilFromUserCode);
  ASSERT_EQ(zx_handle_close(vcpu_), ZX_OK);
  const std::vector<uint8_t> zeros(kReportBytes);
  ASSERT_EQ(zx_vmo_write(guest_->vmo(), zeros.data(), kReportAt, kReportBytes), ZX_OK);
  Run(kReport, kReportFromUserCode);
  const std::vector<uint32_t> again = Report();
  for (size_t i = 0; i < fresh.size(); ++i) {
    EXPECT_EQ(again[i], fresh[i]) << "at " << std::hex << kReportAt + sizeof(uint32_t) * i;
  }
}

GUEST_CODE(kClock, R"(
  mov $0x4b564d01, %ecx
  xor %edx, %edx
  mov $0x40001, %eax
  wrmsr
  out %al, $1
1:
  out %al, $1
  jmp 1b
)");
GUEST_CODE(kNoClock, R"(
1:
  out %al, $1
  jmp 1b
)");

// KVM writes its clock to the guest's memory whenever the VCPU runs: it must not write to that of the next one.
TEST_F(VcpuBegins, ANumberThatIsUsedAgainHasNoClockInMemory) {
  ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  zx_port_packet_t packet = {};
  guest_->Load(kClock);
  ASSERT_EQ(zx_vcpu_create(guest_->guest(), 0, TestGuest::kEntry, &vcpu_), ZX_OK);
  if (zx_vcpu_resume(vcpu_, &packet) != ZX_OK) GTEST_SKIP() << "KVM has no clock here";
  ASSERT_EQ(zx_vcpu_resume(vcpu_, &packet), ZX_OK);
  if (guest_->Word(0x40000) == 0 && guest_->Word(0x40008) == 0) GTEST_SKIP() << "KVM writes no clock here";
  ASSERT_EQ(zx_handle_close(vcpu_), ZX_OK);
  guest_->Load(kNoClock);
  ASSERT_EQ(zx_vcpu_create(guest_->guest(), 0, TestGuest::kEntry, &vcpu_), ZX_OK);
  for (uint64_t at = 0x40000; at < 0x40020; at += 8) guest_->SetWord(at, 0);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(zx_vcpu_resume(vcpu_, &packet), ZX_OK);
  for (uint64_t at = 0x40000; at < 0x40020; at += 8) EXPECT_EQ(guest_->Word(at), 0U) << std::hex << at;
}

}  // namespace
}  // namespace zxctl::test
