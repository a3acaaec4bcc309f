#include "syscalls/call.h"

#include <algorithm>
#include <cstdint>

#include "arch/arch.h"

namespace zxctl {
namespace {

// No machine that Linux runs on has smaller ones.
constexpr size_t kPageSize = 4096;

// Faults now if it would later.
void Touch(const void* pointer, size_t size, bool write) {
  auto* const bytes = static_cast<volatile char*>(const_cast<void*>(pointer));
  for (size_t at = 0;; at = std::min(at + kPageSize, size - 1)) {
    const char byte = bytes[at];
    if (write) bytes[at] = byte;
    if (at == size - 1) return;
  }
}

}  // namespace

zx_status_t Call::Memory(const char* argument, const void* pointer, size_t size, size_t alignment,
                         Access access) const {
  if (size == 0) return ZX_OK;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (address == 0) return Fail(ZX_ERR_INVALID_ARGS, argument, Mistake::kNullPointer);
  if (address % alignment != 0) return Fail(ZX_ERR_INVALID_ARGS, argument, Mistake::kMisalignedPointer);
  uintptr_t last = 0;
  if (__builtin_add_overflow(address, size - 1, &last) || arch::IsKernelHalf(address) || arch::IsKernelHalf(last)) {
    return Fail(ZX_ERR_INVALID_ARGS, argument, Mistake::kKernelPointer);
  }
  Touch(pointer, size, access == Access::kWrite);
  return ZX_OK;
}

zx_status_t Call::Waitable(const char* argument, zx_handle_t handle, RefPtr<Dispatcher>* out) const {
  zx_rights_t rights = 0;
  zx_status_t status = Object(argument, handle, 0, out, &rights);
  if (status != ZX_OK) return status;
  status = (rights & ZX_RIGHT_WAIT) != 0 ? ZX_ERR_NOT_SUPPORTED : ZX_ERR_ACCESS_DENIED;
  // No right would help.
  if (!(*out)->is_waitable()) return Fail(status, argument, Mistake::kNotWaitable, (*out)->type());
  return Rights(argument, **out, rights, ZX_RIGHT_WAIT);
}

zx_status_t Call::Give(const char* argument, RefPtr<Dispatcher> object, zx_rights_t rights, zx_handle_t* out) const {
  return NoHandle(argument, Root::Get().handles().Add(std::move(object), rights, out));
}

zx_status_t Call::NoHandle(const char* argument, zx_status_t status) const {
  if (status == ZX_ERR_NO_RESOURCES) return Fail(status, argument, Mistake::kNoHandlesLeft, HandleTable::kMaxHandles);
  if (status == ZX_ERR_NO_MEMORY) return Fail(status, argument, Mistake::kNoMemory);
  return status;
}

}  // namespace zxctl
