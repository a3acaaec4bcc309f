// VMOs, and the physical address space of guests.
#include "vcpu/guest_memory.h"

#include <fmt/format.h>
#include <zircon/syscalls.h>

#include <algorithm>
#include <array>

#include "syscalls/call.h"
#include "syscalls/guest_call.h"
#include "vcpu/guest.h"
#include "vcpu/vmo.h"

using namespace zxctl;

namespace {

constexpr uint32_t kPermissions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE;

zx_status_t OutOfVmo(const Call& call, uint64_t offset, uint64_t size, const Vmo& vmo) {
  return call.FailBecause(
      ZX_ERR_OUT_OF_RANGE,
      fmt::format("{:#x} bytes at {:#x} are not all inside the VMO, which has {:#x}", size, offset, vmo.size()));
}

// The rights that a mapping with these permissions needs.
zx_rights_t RightsFor(uint32_t options) {
  zx_rights_t rights = 0;
  if ((options & ZX_VM_PERM_READ) != 0) rights |= ZX_RIGHT_READ;
  if ((options & ZX_VM_PERM_WRITE) != 0) rights |= ZX_RIGHT_WRITE;
  if ((options & ZX_VM_PERM_EXECUTE) != 0) rights |= ZX_RIGHT_EXECUTE;
  return rights;
}

zx_status_t CheckOptions(const Call& call, uint32_t options, uint64_t vmar_offset) {
  const uint32_t unknown = options & ~(kPermissions | ZX_VM_SPECIFIC);
  if (unknown != 0) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, unknown);
  if ((options & ZX_VM_PERM_READ) == 0) {
    return call.FailBecause(ZX_ERR_INVALID_ARGS,
                            "options lacks ZX_VM_PERM_READ: a guest can read all memory that it has");
  }
  if ((options & ZX_VM_SPECIFIC) == 0 && vmar_offset != 0) {
    return call.FailBecause(ZX_ERR_INVALID_ARGS,
                            "vmar_offset counts only with ZX_VM_SPECIFIC: pass 0, or add it to options");
  }
  return ZX_OK;
}

// Everything but whether the place is free.
zx_status_t CheckPlace(const Call& call, const GuestMemory::Request& request) {
  if (request.size == 0) return call.FailBecause(ZX_ERR_INVALID_ARGS, "len is 0");
  if (!IsPageAligned(request.vmo_offset) || !IsPageAligned(request.address)) {
    return call.FailBecause(
        ZX_ERR_INVALID_ARGS,
        fmt::format("offsets have to be multiples of {}: they are {:#x} in the VMAR and {:#x} in the VMO", kPageBytes,
                    request.address, request.vmo_offset));
  }
  const uint64_t vmo_size = request.vmo->size();
  if (request.vmo_offset > vmo_size || request.size > vmo_size - request.vmo_offset) {
    return OutOfVmo(call, request.vmo_offset, request.size, *request.vmo);
  }
  if (request.address > arch::kGuestPhysicalBytes || request.size > arch::kGuestPhysicalBytes - request.address) {
    return call.FailBecause(ZX_ERR_OUT_OF_RANGE,
                            fmt::format("{:#x} bytes at {:#x} are not all below {:#x}, where a guest's memory ends",
                                        request.size, request.address, arch::kGuestPhysicalBytes));
  }
  return ZX_OK;
}

uint64_t WholePages(uint64_t bytes) {
  const uint64_t pages = bytes / kPageBytes + (IsPageAligned(bytes) ? 0 : 1);
  return pages > UINT64_MAX / kPageBytes ? UINT64_MAX : pages * kPageBytes;
}

}  // namespace

zx_status_t zx_vmo_create(uint64_t size, uint32_t options, zx_handle_t* out) {
  const Call call("zx_vmo_create");
  if ((options & ~ZX_VMO_NON_RESIZABLE) != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options & ~ZX_VMO_NON_RESIZABLE);
  }
  if (const zx_status_t status = call.Out("out", out); status != ZX_OK) return status;
  RefPtr<Vmo> vmo;
  int error = 0;
  zx_status_t status = Vmo::Create(size, &vmo, &error);
  if (status == ZX_ERR_OUT_OF_RANGE) {
    return call.FailBecause(status,
                            fmt::format("size is {:#x}, and a VMO has {:#x} bytes at most", size, Vmo::kMaxBytes));
  }
  if (status != ZX_OK) return call.Fail(status, "the memory", Mistake::kNoDescriptor, static_cast<uint64_t>(error));
  zx_handle_t handle = ZX_HANDLE_INVALID;
  status = call.Give("the VMO", std::move(vmo), Vmo::kRights, &handle);
  if (status == ZX_OK) *out = handle;
  return status;
}

zx_status_t zx_vmo_read(zx_handle_t handle, void* buffer, uint64_t offset, size_t size) {
  const Call call("zx_vmo_read");
  RefPtr<Vmo> vmo;
  zx_status_t status = call.Object(
      "handle", handle, ZX_RIGHT_READ, [&] { return call.OutBytes("buffer", buffer, size, 1); }, &vmo);
  if (status != ZX_OK) return status;
  status = vmo->Read(offset, buffer, size);
  if (status == ZX_ERR_OUT_OF_RANGE) return OutOfVmo(call, offset, size, *vmo);
  return status == ZX_OK ? ZX_OK : call.FailBecause(status, "the memory could not be read");
}

zx_status_t zx_vmo_write(zx_handle_t handle, const void* buffer, uint64_t offset, size_t size) {
  const Call call("zx_vmo_write");
  RefPtr<Vmo> vmo;
  zx_status_t status = call.Object(
      "handle", handle, ZX_RIGHT_WRITE, [&] { return call.InBytes("buffer", buffer, size); }, &vmo);
  if (status != ZX_OK) return status;
  status = vmo->Write(offset, buffer, size);
  if (status == ZX_ERR_OUT_OF_RANGE) return OutOfVmo(call, offset, size, *vmo);
  return status == ZX_OK ? ZX_OK
                         : call.FailBecause(status, "the memory could not be written: the machine has none left");
}

zx_status_t zx_vmo_get_size(zx_handle_t handle, uint64_t* size) {
  const Call call("zx_vmo_get_size");
  RefPtr<Vmo> vmo;
  const zx_status_t status = call.Object(
      "handle", handle, 0, [&] { return call.Out("size", size); }, &vmo);
  if (status == ZX_OK) *size = vmo->size();
  return status;
}

zx_status_t zx_vmar_map(zx_handle_t vmar, uint32_t options, uint64_t vmar_offset, zx_handle_t vmo, uint64_t vmo_offset,
                        uint64_t len, zx_vaddr_t* mapped) {
  const Call call("zx_vmar_map");
  RefPtr<Vmar> space;
  RefPtr<Vmo> memory;
  zx_status_t status = call.Object("vmar", vmar, RightsFor(options), &space);
  if (status == ZX_OK) status = call.Object("vmo", vmo, RightsFor(options) | ZX_RIGHT_MAP, &memory);
  if (status == ZX_OK) status = CheckOptions(call, options, vmar_offset);
  if (status == ZX_OK) status = CheckNotForked(call, space->machine());
  if (status != ZX_OK) return status;
  GuestMemory::Request request = {.vmo = memory,
                                  .vmo_offset = vmo_offset,
                                  .address = vmar_offset,
                                  .size = WholePages(len),
                                  .writable = (options & ZX_VM_PERM_WRITE) != 0};
  if (status = CheckPlace(call, request); status != ZX_OK) return status;
  if (status = call.Out("mapped", mapped); status != ZX_OK) return status;
  if ((options & ZX_VM_SPECIFIC) == 0) {
    const auto found = space->machine().FindSpace(request.size);
    if (!found) return call.FailBecause(ZX_ERR_NO_MEMORY, "the guest has no free range of that length");
    request.address = *found;
  }
  if (const auto done = space->machine().Map(request); !done) return call.FailBecause(done.error());
  *mapped = request.address;
  return ZX_OK;
}

zx_status_t zx_vmar_unmap(zx_handle_t vmar, zx_vaddr_t addr, uint64_t len) {
  const Call call("zx_vmar_unmap");
  RefPtr<Vmar> space;
  zx_status_t status = call.Object("vmar", vmar, 0, &space);
  if (status == ZX_OK) status = CheckNotForked(call, space->machine());
  if (status != ZX_OK) return status;
  const uint64_t size = WholePages(len);
  if (len == 0 || !IsPageAligned(addr)) {
    return call.FailBecause(ZX_ERR_INVALID_ARGS,
                            fmt::format("addr has to be a multiple of {}, and len not 0", kPageBytes));
  }
  if (addr > arch::kGuestPhysicalBytes || size > arch::kGuestPhysicalBytes - addr) {
    return call.FailBecause(ZX_ERR_INVALID_ARGS, "the range is not all inside the guest's memory");
  }
  const auto done = space->machine().memory().Unmap(addr, size);
  return done ? ZX_OK : call.FailBecause(done.error());
}
