#include <zircon/syscalls.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "syscalls/call.h"

using namespace zxctl;

namespace {

// The object whose property it is: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED, INVALID_ARGS for an unknown property.
zx_status_t PropertyOwner(const Call& call, zx_handle_t handle, uint32_t property, zx_rights_t right,
                          RefPtr<Dispatcher>* out) {
  zx_rights_t rights = 0;
  zx_status_t status = call.Object("handle", handle, 0, out, &rights);
  if (status != ZX_OK) return status;
  if (property == ZX_PROP_NAME && !(*out)->has_name()) {
    return call.Fail(ZX_ERR_WRONG_TYPE, "handle", Mistake::kNoName, (*out)->type());
  }
  if (status = call.Rights("handle", **out, rights, right); status != ZX_OK) return status;
  if (property != ZX_PROP_NAME) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "property", Mistake::kUnknownProperty, property);
  }
  return ZX_OK;
}

// The object whose child is wanted: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED, INVALID_ARGS for more rights than it has. Says
// which rights "the same" are.
zx_status_t Parent(const Call& call, zx_handle_t handle, zx_rights_t* rights, RefPtr<Dispatcher>* out) {
  zx_rights_t held = 0;
  zx_status_t status = call.Object("handle", handle, 0, out, &held);
  if (status != ZX_OK) return status;
  if (!(*out)->has_children()) return call.Fail(ZX_ERR_WRONG_TYPE, "handle", Mistake::kNoChildren, (*out)->type());
  if (status = call.Rights("handle", **out, held, ZX_RIGHT_ENUMERATE); status != ZX_OK) return status;
  if (*rights == ZX_RIGHT_SAME_RIGHTS) *rights = held;
  if ((*rights & ~held) != 0) return call.Fail(ZX_ERR_INVALID_ARGS, "rights", Mistake::kMoreRights, *rights & ~held);
  return ZX_OK;
}

}  // namespace

zx_status_t zx_object_get_property(zx_handle_t handle, uint32_t property, void* value, size_t value_size) {
  const Call call("zx_object_get_property");
  RefPtr<Dispatcher> object;
  zx_status_t status = PropertyOwner(call, handle, property, ZX_RIGHT_GET_PROPERTY, &object);
  if (status != ZX_OK) return status;
  std::array<char, ZX_MAX_NAME_LEN> name;
  object->GetName(name);
  object = {};
  if (value_size < ZX_MAX_NAME_LEN) {
    return call.Fail(ZX_ERR_BUFFER_TOO_SMALL, "value", Mistake::kBufferTooSmall, value_size, ZX_MAX_NAME_LEN);
  }
  if (status = call.OutBytes("value", value, ZX_MAX_NAME_LEN, 1); status != ZX_OK) return status;
  std::memcpy(value, name.data(), name.size());
  return ZX_OK;
}

zx_status_t zx_object_set_property(zx_handle_t handle, uint32_t property, const void* value, size_t value_size) {
  const Call call("zx_object_set_property");
  RefPtr<Dispatcher> object;
  zx_status_t status = PropertyOwner(call, handle, property, ZX_RIGHT_SET_PROPERTY, &object);
  if (status != ZX_OK) return status;
  object = {};
  const size_t size = std::min(value_size, ZX_MAX_NAME_LEN - 1);
  if (status = call.InBytes("value", value, size); status != ZX_OK) return status;
  std::array<char, ZX_MAX_NAME_LEN> name = {};
  if (size != 0) std::memcpy(name.data(), value, size);
  if (status = PropertyOwner(call, handle, property, ZX_RIGHT_SET_PROPERTY, &object); status != ZX_OK) return status;
  object->SetName(std::string_view(name.data(), size));
  return ZX_OK;
}

zx_status_t zx_object_get_child(zx_handle_t handle, uint64_t koid, zx_rights_t rights, zx_handle_t* out) {
  const Call call("zx_object_get_child");
  RefPtr<Dispatcher> object;
  zx_status_t status = Parent(call, handle, &rights, &object);
  if (status != ZX_OK) return status;
  object = {};
  if (status = call.Out("out", out); status != ZX_OK) return status;
  if (status = Parent(call, handle, &rights, &object); status != ZX_OK) return status;
  RefPtr<Dispatcher> child = object->FindChild(koid);
  if (!child) return call.Fail(ZX_ERR_NOT_FOUND, "koid", Mistake::kNoSuchChild, koid);
  zx_handle_t child_handle = ZX_HANDLE_INVALID;
  status = call.Give("the child", std::move(child), rights, &child_handle);
  if (status == ZX_OK) *out = child_handle;
  return status;
}

zx_status_t zx_object_signal(zx_handle_t handle, uint32_t clear_mask, uint32_t set_mask) {
  const Call call("zx_object_signal");
  RefPtr<Dispatcher> object;
  const zx_status_t status = call.Object("handle", handle, ZX_RIGHT_SIGNAL, &object);
  if (status != ZX_OK) return status;
  for (const auto& [argument, mask] : {std::pair("clear_mask", clear_mask), std::pair("set_mask", set_mask)}) {
    const zx_signals_t foreign = mask & ~ZX_USER_SIGNAL_ALL;
    if (foreign != 0) return call.Fail(ZX_ERR_INVALID_ARGS, argument, Mistake::kNotUserSignals, foreign);
  }
  object->UpdateSignals(clear_mask, set_mask);
  return ZX_OK;
}
