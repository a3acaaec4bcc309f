// What the handles of guests allow, what each call needs, and in which order it looks.
#include <thread>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

GUEST_CODE(kOutForEver, R"(
1:
  out %al, $1
  jmp 1b
)");

zx_info_handle_basic_t Basic(zx_handle_t handle) {
  zx_info_handle_basic_t info = {};
  EXPECT_EQ(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  return info;
}

TEST(GuestRights, NewHandlesHaveThoseOfZircon) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  zx_handle_t resource = ZX_HANDLE_INVALID;
  ASSERT_EQ(zxl_get_hypervisor_resource(&resource), ZX_OK);
  constexpr zx_rights_t kMovable = ZX_RIGHT_TRANSFER | ZX_RIGHT_DUPLICATE | ZX_RIGHT_INSPECT;
  constexpr zx_rights_t kMemory = kMovable | ZX_RIGHT_WAIT | ZX_RIGHTS_IO | ZX_RIGHT_EXECUTE | ZX_RIGHT_MAP;
  const struct {
    zx_handle_t handle;
    zx_obj_type_t type;
    zx_rights_t rights;
  } wanted[] = {
      {guest.guest(), ZX_OBJ_TYPE_GUEST, kMovable | ZX_RIGHT_WRITE | ZX_RIGHT_MANAGE_PROCESS},
      {guest.vcpu(), ZX_OBJ_TYPE_VCPU, kMovable | ZX_RIGHT_WAIT | ZX_RIGHTS_IO | ZX_RIGHT_EXECUTE | ZX_RIGHT_SIGNAL},
      {guest.vmar(), ZX_OBJ_TYPE_VMAR, kMemory},
      {guest.vmo(), ZX_OBJ_TYPE_VMO, kMemory | ZX_RIGHTS_PROPERTY | ZX_RIGHT_SIGNAL},
      {resource, ZX_OBJ_TYPE_RESOURCE, kMovable | ZX_RIGHTS_IO},
  };
  for (const auto& each : wanted) {
    EXPECT_EQ(Basic(each.handle).type, each.type);
    EXPECT_EQ(Basic(each.handle).rights, each.rights) << each.type;
  }
  zx_handle_close(resource);
}

// Each call with a handle that has everything but what it needs, and with one that has nothing else.
TEST(GuestRights, EachCallNeedsItsOwn) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  zx_vcpu_state_t state = {};
  zx_port_packet_t packet = {};
  zxl_vcpu_exit_info_t exit = {};
  const struct {
    const char* name;
    zx_handle_t handle;
    zx_rights_t right;
    std::function<zx_status_t(zx_handle_t)> call;
    zx_status_t otherwise;
  } calls[] = {
      {"set_trap", guest.guest(), ZX_RIGHT_WRITE,
       [](zx_handle_t h) { return zx_guest_set_trap(h, ZX_GUEST_TRAP_IO, 9, 0, 0, 0); }, ZX_ERR_INVALID_ARGS},
      {"vcpu_create", guest.guest(), ZX_RIGHT_MANAGE_PROCESS,
       [](zx_handle_t h) {
         zx_handle_t out = ZX_HANDLE_INVALID;
         return zx_vcpu_create(h, 0, UINT64_MAX, &out);
       },
       ZX_ERR_INVALID_ARGS},
      {"resume", guest.vcpu(), ZX_RIGHT_EXECUTE, [&](zx_handle_t h) { return zx_vcpu_resume(h, &packet); }, ZX_OK},
      {"enter", guest.vcpu(), ZX_RIGHT_EXECUTE, [&](zx_handle_t h) { return zx_vcpu_enter(h, &packet); }, ZX_OK},
      {"interrupt", guest.vcpu(), ZX_RIGHT_SIGNAL, [](zx_handle_t h) { return zx_vcpu_interrupt(h, 256); },
       ZX_ERR_OUT_OF_RANGE},
      {"read_state", guest.vcpu(), ZX_RIGHT_READ,
       [&](zx_handle_t h) { return zx_vcpu_read_state(h, ZX_VCPU_STATE, &state, sizeof(state)); }, ZX_OK},
      {"write_state", guest.vcpu(), ZX_RIGHT_WRITE,
       [&](zx_handle_t h) { return zx_vcpu_write_state(h, ZX_VCPU_STATE, &state, sizeof(state)); }, ZX_OK},
      {"exit_info", guest.vcpu(), ZX_RIGHT_READ, [&](zx_handle_t h) { return zxl_vcpu_get_exit_info(h, &exit); },
       ZX_ERR_BAD_STATE},
      {"kick", guest.vcpu(), ZX_RIGHT_EXECUTE, [](zx_handle_t h) { return zx_vcpu_kick(h); }, ZX_OK},
  };
  for (const auto& each : calls) {
    const OwnedHandle lacking(Without(each.handle, each.right));
    EXPECT_EQ(each.call(lacking), ZX_ERR_ACCESS_DENIED) << each.name;
    const OwnedHandle enough(Without(each.handle, ~each.right));
    EXPECT_EQ(Basic(enough).rights, each.right) << each.name;
    EXPECT_EQ(each.call(enough), each.otherwise) << each.name << ": " << LastError();
  }
}

TEST(GuestRights, APortOfABellIsWritten) {
  REQUIRE_GUESTS();
  TestGuest guest;
  const OwnedHandle port(NewPort());
  const OwnedHandle unwritable(Without(port, ZX_RIGHT_WRITE));
  EXPECT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x100001, 0, 0, unwritable), ZX_ERR_ACCESS_DENIED);
  const OwnedHandle weak(Without(port, ~ZX_RIGHT_WRITE));
  EXPECT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x100000, 0x1000, 0, weak), ZX_OK) << LastError();
}

// ---- the order of the checks, each with everything wrong that is looked at behind it ---------------------------------

TEST(GuestErrors, OfCreation) {
  REQUIRE_GUESTS();
  zx_handle_t resource = ZX_HANDLE_INVALID;
  EXPECT_EQ(zxl_get_hypervisor_resource(nullptr), ZX_ERR_INVALID_ARGS);
  ASSERT_EQ(zxl_get_hypervisor_resource(&resource), ZX_OK);
  const OwnedHandle port(NewPort());
  zx_handle_t guest = 77;
  zx_handle_t vmar = 78;
  EXPECT_EQ(zx_guest_create(Stale(), 1, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_guest_create(Stale(), 0, nullptr, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_guest_create(ZX_HANDLE_INVALID, 0, nullptr, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_guest_create(port, 0, nullptr, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_guest_create(resource, 0, nullptr, &vmar), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_guest_create(resource, 0, &guest, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(guest, 77U);
  EXPECT_EQ(vmar, 78U);
  // It needs no right.
  const OwnedHandle nothing(Without(resource, ~ZX_RIGHT_NONE));
  EXPECT_EQ(Basic(nothing).rights, ZX_RIGHT_NONE);
  ASSERT_EQ(zx_guest_create(nothing, 0, &guest, &vmar), ZX_OK) << LastError();
  // The guest does not need it any more.
  EXPECT_EQ(zx_handle_close(resource), ZX_OK);
  EXPECT_EQ(zx_guest_set_trap(guest, ZX_GUEST_TRAP_IO, 1, 1, 0, 0), ZX_OK) << LastError();
  zx_handle_close(vmar);
  zx_handle_close(guest);
}

TEST(GuestErrors, OfTraps) {
  REQUIRE_GUESTS();
  TestGuest guest;
  const OwnedHandle weak(Without(guest.guest(), ZX_RIGHT_WRITE));
  const OwnedHandle port(NewPort());
  const OwnedHandle unwritable(Without(port, ZX_RIGHT_WRITE));
  EXPECT_EQ(zx_guest_set_trap(Stale(), 9, 1, 0, Stale(), 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_guest_set_trap(port, 9, 1, 0, Stale(), 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_guest_set_trap(weak, 9, 1, 0, Stale(), 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_guest_set_trap(guest.guest(), 9, 1, 0, Stale(), 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_guest_set_trap(guest.guest(), 9, 1, 0, guest.guest(), 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_guest_set_trap(guest.guest(), 9, 1, 0, unwritable, 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_guest_set_trap(guest.guest(), 9, 1, 0, port, 0), ZX_ERR_INVALID_ARGS);
}

TEST(GuestErrors, OfNewVcpus) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  const OwnedHandle weak(Without(guest.guest(), ZX_RIGHT_MANAGE_PROCESS));
  zx_handle_t out = 77;
  EXPECT_EQ(zx_vcpu_create(Stale(), 1, UINT64_MAX, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_create(Stale(), 0, UINT64_MAX, nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_create(guest.vcpu(), 0, UINT64_MAX, nullptr), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_vcpu_create(weak, 0, UINT64_MAX, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, UINT64_MAX, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("out"), std::string::npos) << LastError();
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, uint64_t{1} << 48, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_NE(LastError().find("entry"), std::string::npos) << LastError();
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, (uint64_t{1} << 48) - 1, &out), ZX_ERR_BAD_STATE);
  EXPECT_NE(LastError().find("has a VCPU already"), std::string::npos) << LastError();
  EXPECT_EQ(out, 77U);
}

TEST(GuestErrors, OfInterruptsAndKicks) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  const OwnedHandle silent(Without(guest.vcpu(), ZX_RIGHT_SIGNAL));
  EXPECT_EQ(zx_vcpu_interrupt(Stale(), 256), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_interrupt(guest.guest(), 256), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_vcpu_interrupt(silent, 256), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 256), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), UINT32_MAX), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_vcpu_kick(Stale()), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_kick(guest.guest()), ZX_ERR_WRONG_TYPE);
}

// Sizes, kinds and buffers before whose VCPU it is.
TEST(GuestErrors, OfStates) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  const OwnedHandle blind(Without(guest.vcpu(), ZX_RIGHT_READ));
  const OwnedHandle fixed(Without(guest.vcpu(), ZX_RIGHT_WRITE));
  zx_vcpu_state_t state = {};
  zx_vcpu_io_t io = {.access_size = 3};
  EXPECT_EQ(zx_vcpu_read_state(Stale(), 9, nullptr, 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_read_state(guest.guest(), 9, nullptr, 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_vcpu_read_state(blind, 9, nullptr, 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_vcpu_write_state(Stale(), 9, nullptr, 0), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_write_state(guest.guest(), 9, nullptr, 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_vcpu_write_state(fixed, 9, nullptr, 0), ZX_ERR_ACCESS_DENIED);
  std::thread([&] {
    const zx_handle_t vcpu = guest.vcpu();
    EXPECT_EQ(zx_vcpu_read_state(vcpu, 9, &state, sizeof(state)), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, &state, 8), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, nullptr, sizeof(state)), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), ZX_ERR_BAD_STATE);
    EXPECT_EQ(zx_vcpu_write_state(vcpu, 9, &state, sizeof(state)), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_IO, &io, 7), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_IO, nullptr, sizeof(io)), ZX_ERR_INVALID_ARGS);
    EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_IO, &io, sizeof(io)), ZX_ERR_BAD_STATE);
  }).join();
  EXPECT_EQ(zx_vcpu_write_state(guest.vcpu(), ZX_VCPU_IO, &io, sizeof(io)), ZX_ERR_INVALID_ARGS);
}

}  // namespace
}  // namespace zxctl::test
