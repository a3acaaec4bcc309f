#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <cstring>
#include <string>

#include "syscalls/call.h"
#include "syscalls/task_life.h"

using namespace zxctl;

namespace {

using General = zx_thread_state_general_regs_t;

// INVALID_ARGS for a kind there is not, BUFFER_TOO_SMALL.
zx_status_t CheckKind(const Call& call, uint32_t kind, size_t size) {
  if (kind != ZX_THREAD_STATE_GENERAL_REGS) return call.Fail(ZX_ERR_INVALID_ARGS, "kind", Mistake::kUnknownKind, kind);
  if (size >= sizeof(General)) return ZX_OK;
  return call.Fail(ZX_ERR_BUFFER_TOO_SMALL, "buffer", Mistake::kBufferTooSmall, size, sizeof(General));
}

// The registers as they are: BAD_STATE, NOT_SUPPORTED, PEER_CLOSED.
zx_status_t GetRegisters(const Call& call, client::Thread& thread, arch::Registers* out) {
  const zx_status_t status = thread.GetRegisters(out);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  if (status == ZX_ERR_NOT_SUPPORTED) return call.FailBecause(status, "a thread that exits has no registers any more");
  if (status != ZX_OK) {
    const bool alive = thread.life() == ring::TaskLife::kAlive;
    return call.Fail(status, "thread", alive ? Mistake::kDoesNotStand : WhyUnfit(thread));
  }
  if (arch::CodeBits(*out) == arch::Bits::k32) {
    return call.FailBecause(ZX_ERR_NOT_SUPPORTED, "the thread runs 32-bit code, whose registers are others");
  }
  return ZX_OK;
}

}  // namespace

zx_status_t zx_thread_read_state(zx_handle_t thread, uint32_t kind, void* buffer, size_t size) {
  const Call call("zx_thread_read_state");
  RefPtr<client::Thread> object;
  zx_status_t status = call.Object(
      "thread", thread, ZX_RIGHT_READ,
      [&] {
        const zx_status_t checked = CheckKind(call, kind, size);
        return checked == ZX_OK ? call.OutBytes("buffer", buffer, sizeof(General), 1) : checked;
      },
      &object);
  if (status != ZX_OK) return status;
  arch::Registers registers{};
  if (status = GetRegisters(call, *object, &registers); status != ZX_OK) return status;
  const General general = arch::ToZircon(registers);
  std::memcpy(buffer, &general, sizeof(general));
  return ZX_OK;
}

zx_status_t zx_thread_write_state(zx_handle_t thread, uint32_t kind, const void* buffer, size_t size) {
  const Call call("zx_thread_write_state");
  RefPtr<client::Thread> object;
  zx_status_t status = call.Object(
      "thread", thread, ZX_RIGHT_WRITE,
      [&] {
        const zx_status_t checked = CheckKind(call, kind, size);
        return checked == ZX_OK ? call.InBytes("buffer", buffer, sizeof(General)) : checked;
      },
      &object);
  if (status != ZX_OK) return status;
  General general;
  std::memcpy(&general, buffer, sizeof(general));
  arch::Registers registers{};
  if (status = GetRegisters(call, *object, &registers); status != ZX_OK) return status;
  if (!arch::FromZircon(general, registers)) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "buffer", Mistake::kBadRegister);
  }
  std::string sentence;
  status = object->SetRegisters(registers, &sentence);
  return status == ZX_OK ? ZX_OK : FailRefused(call, "thread", *object, status, sentence);
}

zx_status_t zxl_thread_get_exception(zx_handle_t thread, zxl_exception_info_t* out_info) {
  const Call call("zxl_thread_get_exception");
  RefPtr<client::Thread> object;
  zx_status_t status = call.Object(
      "thread", thread, ZX_RIGHT_INSPECT, [&] { return call.Out("out_info", out_info); }, &object);
  if (status != ZX_OK) return status;
  ring::ExceptionRecord told;
  status = object->GetException(&told);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  if (status != ZX_OK) return call.Fail(status, "thread", object->IsOver() ? WhyUnfit(*object) : Mistake::kNoException);
  *out_info = {.signo = told.signal.signo,
               .code = told.signal.code,
               .address = told.signal.address,
               .pid = told.signal.pid,
               .uid = static_cast<int32_t>(told.signal.uid),
               .first_signo = told.first.signo,
               .first_code = told.first.code,
               .first_address = told.first.address};
  return ZX_OK;
}
