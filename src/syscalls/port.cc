#include "object/port.h"

#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include "syscalls/call.h"

using namespace zxctl;

zx_status_t zx_port_create(uint32_t options, zx_handle_t* out) {
  const Call call("zx_port_create");
  if ((options & ~ZX_PORT_BIND_TO_INTERRUPT) != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options & ~ZX_PORT_BIND_TO_INTERRUPT);
  }
  if (const zx_status_t status = call.Out("out", out); status != ZX_OK) return status;
  RefPtr<Port> port = Port::Create();
  if (!port) return call.Fail(ZX_ERR_NO_MEMORY, "the port", Mistake::kNoMemory);
  zx_handle_t handle = ZX_HANDLE_INVALID;
  const zx_status_t status = call.Give("the port", std::move(port), Port::kRights, &handle);
  if (status == ZX_OK) *out = handle;
  return status;
}

zx_status_t zx_port_queue(zx_handle_t handle, const zx_port_packet_t* packet) {
  const Call call("zx_port_queue");
  RefPtr<Port> port;
  zx_status_t status = call.Object(
      "handle", handle, ZX_RIGHT_WRITE, [&] { return call.In("packet", packet); }, &port);
  if (status != ZX_OK) return status;
  status = port->QueueUser(*packet);
  if (status == ZX_ERR_SHOULD_WAIT) return call.Fail(status, "the port", Mistake::kPortFull, Port::kMaxPackets);
  if (status == ZX_ERR_BAD_STATE) return call.Fail(status, "the port", Mistake::kPortClosed);
  if (status == ZX_ERR_NO_MEMORY) return call.Fail(status, "the packet", Mistake::kNoMemory);
  return status;
}

zx_status_t zx_port_wait(zx_handle_t handle, zx_time_t deadline, zx_port_packet_t* packet) {
  const Call call("zx_port_wait");
  RefPtr<Port> port;
  zx_status_t status = call.Object(
      "handle", handle, ZX_RIGHT_READ, [&] { return call.Out("packet", packet); }, &port);
  if (status != ZX_OK) return status;
  zx_port_packet_t taken;
  status = port->Wait(deadline, &taken);
  if (status == ZX_ERR_TIMED_OUT) return call.Fail(status, "deadline", Mistake::kDeadline);
  if (status == ZX_ERR_CANCELED) return call.Fail(status, "the port", Mistake::kPortClosedInWait);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  *packet = taken;
  return status;
}

zx_status_t zx_port_cancel(zx_handle_t handle, zx_handle_t source, uint64_t key) {
  const Call call("zx_port_cancel");
  RefPtr<Port> port;
  zx_status_t status = call.Object("handle", handle, ZX_RIGHT_WRITE, &port);
  if (status != ZX_OK) return status;
  RefPtr<Dispatcher> object;
  if (status = call.Waitable("source", source, &object); status != ZX_OK) return status;
  status = port->Cancel(*object, source, key);
  if (status == ZX_ERR_NOT_FOUND) return call.Fail(status, "key", Mistake::kNothingToCancel, key);
  return status;
}

zx_status_t zxl_port_get_fd(zx_handle_t port, int* out_fd) {
  const Call call("zxl_port_get_fd");
  RefPtr<Port> queue;
  zx_status_t status = call.Object(
      "port", port, ZX_RIGHT_READ, [&] { return call.Out("out_fd", out_fd); }, &queue);
  if (status != ZX_OK) return status;
  int fd = -1;
  int error = 0;
  status = queue->GetFd(&fd, &error);
  if (status == ZX_ERR_BAD_STATE) return call.Fail(status, "the port", Mistake::kPortClosed);
  if (status != ZX_OK) return call.Fail(status, "the descriptor", Mistake::kNoDescriptor, static_cast<uint64_t>(error));
  *out_fd = fd;
  return ZX_OK;
}
