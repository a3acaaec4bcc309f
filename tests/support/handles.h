// Handles of tests that go through the C calls: closed at the end, and made in one word.
#pragma once

#include <gtest/gtest.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <string>

namespace zxctl::test {

class OwnedHandle {
 public:
  explicit OwnedHandle(zx_handle_t handle) : handle_(handle) {}
  OwnedHandle(const OwnedHandle&) = delete;
  OwnedHandle& operator=(const OwnedHandle&) = delete;
  ~OwnedHandle() { zx_handle_close(handle_); }

  operator zx_handle_t() const { return handle_; }  // NOLINT: stands for the number

 private:
  zx_handle_t handle_;
};

inline zx_handle_t NewPort() {
  zx_handle_t port = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_port_create(0, &port), ZX_OK);
  return port;
}

inline zx_handle_t NewJob(zx_handle_t parent = zx_job_default()) {
  zx_handle_t job = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_job_create(parent, 0, &job), ZX_OK);
  return job;
}

// A duplicate that lacks some rights.
inline zx_handle_t Without(zx_handle_t handle, zx_rights_t missing) {
  zx_info_handle_basic_t info = {};
  EXPECT_EQ(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  zx_handle_t weak = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_handle_duplicate(handle, info.rights & ~missing, &weak), ZX_OK);
  return weak;
}

// A value that was a handle.
inline zx_handle_t Stale() {
  const zx_handle_t port = NewPort();
  EXPECT_EQ(zx_handle_close(port), ZX_OK);
  return port;
}

inline zx_koid_t KoidOf(zx_handle_t handle) {
  zx_info_handle_basic_t info = {};
  EXPECT_EQ(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  return info.koid;
}

// The sentence about the last failed call.
inline std::string LastError() { return zxl_last_error(); }

}  // namespace zxctl::test
