#include "base/status.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace zxctl {

int32_t ZxFromErrno(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return ZX_ERR_ACCESS_DENIED;
    case ESRCH:
    case ENOENT:
      return ZX_ERR_NOT_FOUND;
    case ENOMEM:
      return ZX_ERR_NO_MEMORY;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
      return ZX_ERR_NO_RESOURCES;
    case EINVAL:
      return ZX_ERR_INVALID_ARGS;
    case EEXIST:
      return ZX_ERR_ALREADY_EXISTS;
    case ENOSYS:
    case EOPNOTSUPP:
      return ZX_ERR_NOT_SUPPORTED;
    case ETIMEDOUT:
      return ZX_ERR_TIMED_OUT;
    default:
      return ZX_ERR_IO;
  }
}

std::string Status::ToString() const {
  std::string text = what;
  if (sys_errno != 0) {
    const char* name = strerrorname_np(sys_errno);
    text += fmt::format(": {} ({})", strerrordesc_np(sys_errno), name != nullptr ? name : "?");
  }
  if (tid != 0) text += fmt::format(" [thread {}]", tid);
  return text;
}

Status Status::FromErrno(std::string what, int error, int32_t tid) {
  return Status{.zx = ZxFromErrno(error), .sys_errno = error, .tid = tid, .what = std::move(what)};
}

tl::unexpected<Status> FailErrno(std::string what, int32_t tid) {
  return Fail(Status::FromErrno(std::move(what), errno, tid));
}

}  // namespace zxctl
