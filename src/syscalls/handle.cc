#include <zircon/syscalls.h>

#include "syscalls/call.h"

using namespace zxctl;

namespace {

// The statuses of HandleTable::Duplicate() and Replace() in words.
zx_status_t Explain(const Call& call, zx_status_t status, zx_handle_t handle, zx_rights_t rights, zx_rights_t held) {
  switch (status) {
    case ZX_ERR_BAD_HANDLE:
      return call.Fail(status, "handle", Mistake::kBadHandle, handle);
    case ZX_ERR_ACCESS_DENIED:
      return call.Fail(status, "handle", Mistake::kMissingRight, ZX_RIGHT_DUPLICATE);
    case ZX_ERR_INVALID_ARGS:
      return call.Fail(status, "rights", Mistake::kMoreRights, rights & ~held);
    default:
      return call.NoHandle("handle", status);
  }
}

}  // namespace

zx_status_t zx_handle_close(zx_handle_t handle) {
  const zx_status_t status = Root::Get().handles().Close(handle);
  return status == ZX_OK ? ZX_OK : Call("zx_handle_close").Fail(status, "handle", Mistake::kBadHandle, handle);
}

zx_status_t zx_handle_close_many(const zx_handle_t* handles, size_t num_handles) {
  const Call call("zx_handle_close_many");
  if (num_handles > SIZE_MAX / sizeof(zx_handle_t)) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "num_handles", Mistake::kTooManyHandles, num_handles);
  }
  if (const zx_status_t status = call.In("handles", handles, num_handles); status != ZX_OK) return status;
  zx_status_t result = ZX_OK;
  for (size_t i = 0; i < num_handles; ++i) {
    const zx_handle_t handle = handles[i];
    const zx_status_t status = Root::Get().handles().Close(handle);
    if (status != ZX_OK) result = call.Fail(status, "one of the handles", Mistake::kBadHandle, handle);
  }
  return result;
}

zx_status_t zx_handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out) {
  const Call call("zx_handle_duplicate");
  zx_rights_t held = 0;
  zx_status_t status = call.Check<Dispatcher>("handle", handle, ZX_RIGHT_DUPLICATE, &held);
  if (status != ZX_OK) return status;
  if (rights != ZX_RIGHT_SAME_RIGHTS && (rights & ~held) != 0) {
    return Explain(call, ZX_ERR_INVALID_ARGS, handle, rights, held);
  }
  if (status = call.Out("out", out); status != ZX_OK) return status;
  zx_handle_t duplicate = ZX_HANDLE_INVALID;
  status = Root::Get().handles().Duplicate(handle, rights, &duplicate);
  if (status != ZX_OK) return Explain(call, status, handle, rights, held);
  *out = duplicate;
  return ZX_OK;
}

zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out) {
  const Call call("zx_handle_replace");
  zx_rights_t held = 0;
  zx_status_t status = call.Check<Dispatcher>("handle", handle, 0, &held);
  if (status != ZX_OK) return status;
  if (status = call.Out("out", out); status != ZX_OK) return status;
  zx_handle_t replacement = ZX_HANDLE_INVALID;
  status = Root::Get().handles().Replace(handle, rights, &replacement);
  if (status != ZX_OK) return Explain(call, status, handle, rights, held);
  *out = replacement;
  return ZX_OK;
}
