#include "vcpu/vmo.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <utility>

#include "base/status.h"
#include "object/koid.h"

namespace zxctl {
namespace {

bool IsInside(uint64_t offset, uint64_t bytes, uint64_t size) { return offset <= size && bytes <= size - offset; }

}  // namespace

Vmo::Vmo(UniqueFd fd, uint64_t bytes) : Dispatcher(kType, NewLocalKoid()), fd_(std::move(fd)), bytes_(bytes) {}

zx_status_t Vmo::Create(uint64_t bytes, RefPtr<Vmo>* out, int* out_errno) {
  if (bytes > kMaxBytes) return ZX_ERR_OUT_OF_RANGE;
  const uint64_t whole = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  UniqueFd fd(memfd_create("zx-vmo", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  // Nobody may take away what guests are running in.
  const bool made = fd.valid() && ftruncate(fd.get(), static_cast<off_t>(whole)) == 0 &&
                    fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
  if (!made) {
    *out_errno = errno;
    return errno == EMFILE || errno == ENFILE ? ZX_ERR_NO_RESOURCES : ZX_ERR_NO_MEMORY;
  }
  *out = RefPtr<Vmo>::Adopt(new (std::nothrow) Vmo(std::move(fd), whole));
  *out_errno = ENOMEM;
  return *out ? ZX_OK : ZX_ERR_NO_MEMORY;
}

zx_status_t Vmo::Read(uint64_t offset, void* out, size_t bytes) const {
  if (!IsInside(offset, bytes, bytes_)) return ZX_ERR_OUT_OF_RANGE;
  for (size_t done = 0; done < bytes;) {
    const ssize_t part =
        pread(fd_.get(), static_cast<char*>(out) + done, bytes - done, static_cast<off_t>(offset + done));
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) return part < 0 ? ZxFromErrno(errno) : ZX_ERR_INTERNAL;
    done += static_cast<size_t>(part);
  }
  return ZX_OK;
}

zx_status_t Vmo::Write(uint64_t offset, const void* in, size_t bytes) {
  if (!IsInside(offset, bytes, bytes_)) return ZX_ERR_OUT_OF_RANGE;
  for (size_t done = 0; done < bytes;) {
    const auto* from = static_cast<const char*>(in) + done;
    const ssize_t part = pwrite(fd_.get(), from, bytes - done, static_cast<off_t>(offset + done));
    if (part < 0 && errno == EINTR) continue;
    if (part < 0 && errno == ENOSPC) return ZX_ERR_NO_MEMORY;
    if (part <= 0) return part < 0 ? ZxFromErrno(errno) : ZX_ERR_INTERNAL;
    done += static_cast<size_t>(part);
  }
  return ZX_OK;
}

}  // namespace zxctl
