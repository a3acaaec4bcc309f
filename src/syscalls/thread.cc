#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <array>
#include <cstring>
#include <span>
#include <string>

#include "syscalls/call.h"
#include "syscalls/task_life.h"

using namespace zxctl;

namespace {

// INVALID_ARGS for a kind there is not, BUFFER_TOO_SMALL.
zx_status_t FindLayout(const Call& call, uint32_t kind, size_t size, const arch::StateLayout** out) {
  *out = arch::FindState(kind);
  if (*out == nullptr) return call.Fail(ZX_ERR_INVALID_ARGS, "kind", Mistake::kUnknownKind, kind);
  if (size >= (*out)->bytes) return ZX_OK;
  return call.Fail(ZX_ERR_BUFFER_TOO_SMALL, "buffer", Mistake::kBufferTooSmall, size, (*out)->bytes);
}

zx_status_t FailState(const Call& call, const client::Thread& thread, zx_status_t status, const std::string& sentence) {
  // What it lacks besides standing still only the tracer knows.
  const bool stands = (thread.signals() & ZX_THREAD_SUSPENDED) != 0 && !sentence.empty();
  if (status == ZX_ERR_BAD_STATE && !stands) {
    const bool alive = thread.life() == ring::TaskLife::kAlive;
    return call.Fail(status, "thread", alive ? Mistake::kDoesNotStand : WhyUnfit(thread));
  }
  return call.FailBecause(status, sentence);
}

}  // namespace

zx_status_t zx_thread_read_state(zx_handle_t thread, uint32_t kind, void* buffer, size_t size) {
  const Call call("zx_thread_read_state");
  RefPtr<client::Thread> object;
  const arch::StateLayout* layout = nullptr;
  zx_status_t status = call.Object(
      "thread", thread, ZX_RIGHT_READ,
      [&] {
        const zx_status_t found = FindLayout(call, kind, size, &layout);
        return found == ZX_OK ? call.OutBytes("buffer", buffer, layout->bytes, 1) : found;
      },
      &object);
  if (status != ZX_OK) return status;
  std::array<std::byte, arch::kMaxStateBytes> state;
  const auto out = std::span(state).first(layout->bytes);
  std::string sentence;
  if (status = object->ReadState(*layout, out, &sentence); status != ZX_OK) {
    return FailState(call, *object, status, sentence);
  }
  std::memcpy(buffer, out.data(), out.size());
  return ZX_OK;
}

zx_status_t zx_thread_write_state(zx_handle_t thread, uint32_t kind, const void* buffer, size_t size) {
  const Call call("zx_thread_write_state");
  RefPtr<client::Thread> object;
  const arch::StateLayout* layout = nullptr;
  zx_status_t status = call.Object(
      "thread", thread, ZX_RIGHT_WRITE,
      [&] {
        const zx_status_t found = FindLayout(call, kind, size, &layout);
        return found == ZX_OK ? call.InBytes("buffer", buffer, layout->bytes) : found;
      },
      &object);
  if (status != ZX_OK) return status;
  std::array<std::byte, arch::kMaxStateBytes> state;
  std::memcpy(state.data(), buffer, layout->bytes);
  std::string sentence;
  status = object->WriteState(*layout, std::span(state).first(layout->bytes), &sentence);
  return status == ZX_OK ? ZX_OK : FailState(call, *object, status, sentence);
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
