// Error values: what went wrong, where, on which thread, and a sentence for people.
#pragma once

#include <zircon/errors.h>

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace zxctl {

// An error. `zx` is never ZX_OK. `sys_errno` is 0 when no system call is behind it, `tid` 0 when no thread is.
// `what` is a sentence without a full stop that names the operation and, where there is one, the remedy.
struct [[nodiscard]] Status {
  int32_t zx = ZX_ERR_INTERNAL;
  int sys_errno = 0;
  int32_t tid = 0;
  std::string what;

  // "what: errno text (errno name)"; for people.
  [[nodiscard]] std::string ToString() const;

  [[nodiscard]] static Status FromErrno(std::string what, int error, int32_t tid = 0);
};

template <typename T>
using Result = tl::expected<T, Status>;

inline tl::unexpected<Status> Fail(Status status) { return tl::unexpected<Status>(std::move(status)); }

// The current errno as an error of `what`.
tl::unexpected<Status> FailErrno(std::string what, int32_t tid = 0);

// The zx status that stands for an errno: EPERM and EACCES are ACCESS_DENIED, ESRCH and ENOENT NOT_FOUND, and so on;
// an errno without a closer match is ZX_ERR_IO.
[[nodiscard]] int32_t ZxFromErrno(int error);

}  // namespace zxctl
