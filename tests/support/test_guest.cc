#include "support/test_guest.h"

#include <unistd.h>

#include <cstdlib>
#include <iterator>

#include "machine_guest.h"

namespace zxctl::test {

std::string WhyNoGuests() {
  zx_handle_t resource = ZX_HANDLE_INVALID;
  if (zxl_get_hypervisor_resource(&resource) == ZX_OK) {
    zx_handle_close(resource);
    return {};
  }
  const std::string why = zxl_last_error();
  const bool must = std::getenv("CI") != nullptr && access("/dev/kvm", R_OK | W_OK) == 0;
  EXPECT_FALSE(must) << why;
  return why;
}

TestGuest::TestGuest(uint64_t bytes) {
  zx_handle_t resource = ZX_HANDLE_INVALID;
  EXPECT_EQ(zxl_get_hypervisor_resource(&resource), ZX_OK) << LastError();
  EXPECT_EQ(zx_guest_create(resource, 0, &guest_, &vmar_), ZX_OK) << LastError();
  zx_handle_close(resource);
  EXPECT_EQ(zx_vmo_create(bytes, 0, &vmo_), ZX_OK) << LastError();
  zx_vaddr_t mapped = 1;
  constexpr uint32_t kOptions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE | ZX_VM_SPECIFIC;
  EXPECT_EQ(zx_vmar_map(vmar_, kOptions, 0, vmo_, 0, bytes, &mapped), ZX_OK) << LastError();
  EXPECT_EQ(mapped, 0U);
  WriteFirstTables(vmo_);
}

TestGuest::TestGuest(const GuestCode& code) : TestGuest() {
  Load(code);
  MakeVcpu();
}

TestGuest::~TestGuest() {
  for (const zx_handle_t handle : {vcpu_, guest_, vmar_, vmo_}) zx_handle_close(handle);
}

void TestGuest::Load(const GuestCode& code, uint64_t at) {
  EXPECT_EQ(zx_vmo_write(vmo_, code.begin, at, static_cast<size_t>(code.end - code.begin)), ZX_OK) << LastError();
}

void TestGuest::MakeVcpu(uint64_t entry) {
  ASSERT_EQ(zx_vcpu_create(guest_, 0, entry, &vcpu_), ZX_OK) << LastError();
  zx_vcpu_state_t state = State();
  StackOf(state) = kStack;
  Set(state);
}

void TestGuest::CloseGuest() {
  EXPECT_EQ(zx_handle_close(guest_), ZX_OK);
  guest_ = ZX_HANDLE_INVALID;
}

void TestGuest::CloseVcpu() {
  EXPECT_EQ(zx_handle_close(vcpu_), ZX_OK);
  vcpu_ = ZX_HANDLE_INVALID;
}

zx_status_t TestGuest::Trap(uint32_t kind, uint64_t address, uint64_t size, uint64_t key, zx_handle_t port) {
  return zx_guest_set_trap(guest_, kind, address, size, port, key);
}

zx_vcpu_state_t TestGuest::State() const {
  zx_vcpu_state_t state = {};
  EXPECT_EQ(zx_vcpu_read_state(vcpu_, ZX_VCPU_STATE, &state, sizeof(state)), ZX_OK) << LastError();
  return state;
}

void TestGuest::Set(const zx_vcpu_state_t& state) const {
  EXPECT_EQ(zx_vcpu_write_state(vcpu_, ZX_VCPU_STATE, &state, sizeof(state)), ZX_OK) << LastError();
}

void TestGuest::Answer(uint8_t size, uint32_t value) const {
  zx_vcpu_io_t io = {.access_size = size};
  io.u32 = value;
  EXPECT_EQ(zx_vcpu_write_state(vcpu_, ZX_VCPU_IO, &io, sizeof(io)), ZX_OK) << LastError();
}

uint64_t TestGuest::Word(uint64_t address) const {
  uint64_t word = 0;
  EXPECT_EQ(zx_vmo_read(vmo_, &word, address, sizeof(word)), ZX_OK) << LastError();
  return word;
}

void TestGuest::SetWord(uint64_t address, uint64_t value) const {
  EXPECT_EQ(zx_vmo_write(vmo_, &value, address, sizeof(value)), ZX_OK) << LastError();
}

void TestGuest::WriteDescriptors() const {
  constexpr uint64_t kTable = 0x7000;
  const uint64_t table[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
  for (size_t i = 0; i < std::size(table); ++i) SetWord(kTable + 8 * i, table[i]);
  SetWord(0x7f00, (sizeof(table) - 1) | kTable << 16);
  SetWord(0x7f08, 0);
}

}  // namespace zxctl::test
