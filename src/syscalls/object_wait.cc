#include <zircon/syscalls.h>

#include <array>
#include <span>

#include "object/port.h"
#include "object/wait.h"
#include "syscalls/call.h"

using namespace zxctl;

namespace {

zx_status_t Explain(const Call& call, zx_status_t status, const char* closed) {
  if (status == ZX_ERR_CANCELED) return call.Fail(status, closed, Mistake::kHandleClosedInWait);
  if (status == ZX_ERR_TIMED_OUT) return call.Fail(status, "deadline", Mistake::kDeadline);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  return status;
}

}  // namespace

zx_status_t zx_object_wait_one(zx_handle_t handle, zx_signals_t signals, zx_time_t deadline, zx_signals_t* observed) {
  const Call call("zx_object_wait_one");
  WaitTarget target = {.object = {}, .handle = handle, .waitfor = signals};
  zx_status_t status = call.Waitable("handle", handle, &target.object);
  if (status != ZX_OK) return status;
  if (observed != nullptr) {
    target.object = {};
    if (status = call.Out("observed", observed); status != ZX_OK) return status;
    if (status = call.Waitable("handle", handle, &target.object); status != ZX_OK) return status;
  }
  status = WaitMany(Root::Get().handles(), std::span(&target, 1), deadline);
  if (observed != nullptr) *observed = target.pending;
  return Explain(call, status, "handle");
}

zx_status_t zx_object_wait_many(zx_wait_item_t* items, size_t count, zx_time_t deadline) {
  const Call call("zx_object_wait_many");
  if (count > ZX_WAIT_MANY_MAX_ITEMS) {
    return call.Fail(ZX_ERR_OUT_OF_RANGE, "count", Mistake::kTooManyItems, count, ZX_WAIT_MANY_MAX_ITEMS);
  }
  zx_status_t status = call.Out("items", items, count);
  if (status != ZX_OK) return status;
  std::array<WaitTarget, ZX_WAIT_MANY_MAX_ITEMS> targets;
  for (size_t i = 0; i < count; ++i) {
    targets[i].handle = items[i].handle;
    targets[i].waitfor = items[i].waitfor;
    status = call.Waitable("the handle of an item", targets[i].handle, &targets[i].object);
    if (status != ZX_OK) return status;
  }
  status = WaitMany(Root::Get().handles(), std::span(targets).first(count), deadline);
  for (size_t i = 0; i < count; ++i) items[i].pending = targets[i].pending;
  return Explain(call, status, "the handle of an item");
}

zx_status_t zx_object_wait_async(zx_handle_t handle, zx_handle_t port, uint64_t key, zx_signals_t signals,
                                 uint32_t options) {
  const Call call("zx_object_wait_async");
  RefPtr<Port> queue;
  zx_status_t status = call.Object("port", port, ZX_RIGHT_WRITE, &queue);
  if (status != ZX_OK) return status;
  RefPtr<Dispatcher> source;
  if (status = call.Waitable("handle", handle, &source); status != ZX_OK) return status;
  if (options != ZX_WAIT_ASYNC_ONCE && options != ZX_WAIT_ASYNC_REPEATING) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options & ~ZX_WAIT_ASYNC_REPEATING);
  }
  status = queue->WaitAsync(Root::Get().handles(), source, handle, key, signals, options == ZX_WAIT_ASYNC_REPEATING);
  if (status == ZX_ERR_BAD_STATE) return call.Fail(status, "port", Mistake::kPortClosed);
  if (status == ZX_ERR_NO_MEMORY) return call.Fail(status, "the registration", Mistake::kNoMemory);
  return status;
}
