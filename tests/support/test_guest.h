// A guest of the tests: memory at 0 with the page tables that its machine begins with, code that the tests bring, and one VCPU on
// the calling thread.
#pragma once

#include <gtest/gtest.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <span>
#include <string>

#include "support/handles.h"

namespace zxctl::test {

// Code of the guest's, which stands in the test program between two labels.
struct GuestCode {
  const uint8_t* begin;
  const uint8_t* end;
};
// GUEST_CODE(name, "instructions") makes `name` a GuestCode.
#define GUEST_CODE(name, text)                                                                                   \
  __asm__(".pushsection .rodata\n.balign 8\n.globl code_" #name "\ncode_" #name ":\n" text "\n.globl end_" #name \
          "\nend_" #name ":\n.popsection\n");                                                                    \
  extern "C" const uint8_t code_##name[];                                                                        \
  extern "C" const uint8_t end_##name[];                                                                         \
  inline constexpr ::zxctl::test::GuestCode name = {static_cast<const uint8_t*>(code_##name),                    \
                                                    static_cast<const uint8_t*>(end_##name)}

// Goes on at TestGuest::kUserEntry in user mode, with interrupts off, by the descriptors of TestGuest::WriteDescriptors().
#define GUEST_TO_USER_MODE \
  "lgdt 0x7f00\n"          \
  "push $0x1b\n"           \
  "push $0x180000\n"       \
  "push $2\n"              \
  "push $0x23\n"           \
  "push $0x110000\n"       \
  "iretq\n"

// Why there are no guests here; empty if there are. On a machine of continuous integration that has /dev/kvm it is a failure.
std::string WhyNoGuests();
#define REQUIRE_GUESTS() \
  if (const std::string why = ::zxctl::test::WhyNoGuests(); !why.empty()) GTEST_SKIP() << why

class TestGuest {
 public:
  static constexpr uint64_t kMemoryBytes = 4 << 20;
  static constexpr uint64_t kEntry = 0x10000;
  static constexpr uint64_t kStack = 0x20000;
  static constexpr uint64_t kUserEntry = 0x110000;

  // Without code there is no VCPU yet.
  explicit TestGuest(uint64_t bytes = kMemoryBytes);
  explicit TestGuest(const GuestCode& code);
  TestGuest(const TestGuest&) = delete;
  TestGuest& operator=(const TestGuest&) = delete;
  ~TestGuest();

  [[nodiscard]] zx_handle_t guest() const { return guest_; }
  [[nodiscard]] zx_handle_t vmar() const { return vmar_; }
  [[nodiscard]] zx_handle_t vmo() const { return vmo_; }
  [[nodiscard]] zx_handle_t vcpu() const { return vcpu_; }

  void Load(const GuestCode& code, uint64_t at = kEntry);
  void MakeVcpu(uint64_t entry = kEntry);
  // Closes a handle early.
  void CloseGuest();
  void CloseVcpu();

  zx_status_t Trap(uint32_t kind, uint64_t address, uint64_t size, uint64_t key = 0,
                   zx_handle_t port = ZX_HANDLE_INVALID);
  zx_status_t Resume() { return zx_vcpu_resume(vcpu_, &packet); }
  [[nodiscard]] zx_vcpu_state_t State() const;
  void Set(const zx_vcpu_state_t& state) const;
  void Answer(uint8_t size, uint32_t value) const;
  [[nodiscard]] uint64_t Word(uint64_t address) const;
  void SetWord(uint64_t address, uint64_t value) const;
  // A table of descriptors for kernel and user code at 0x7000, and what LGDT takes at 0x7f00.
  void WriteDescriptors() const;

  zx_port_packet_t packet = {};

 private:
  zx_handle_t guest_ = ZX_HANDLE_INVALID;
  zx_handle_t vmar_ = ZX_HANDLE_INVALID;
  zx_handle_t vmo_ = ZX_HANDLE_INVALID;
  zx_handle_t vcpu_ = ZX_HANDLE_INVALID;
};

}  // namespace zxctl::test
