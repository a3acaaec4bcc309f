// A file system that is soon full.
#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <string>

namespace zxctl::test {

// Mounts a file system of 64 KiB at `path` that only this process and its children see. False where that is not allowed.
// Call it in a child process: its mount name space changes.
[[nodiscard]] inline bool MountTinyDisk(const std::string& path) {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  return mount("tmpfs", path.c_str(), "tmpfs", 0, "size=64k") == 0;
}

}  // namespace zxctl::test
