// Tasks of other processes in tests that go through the C calls.
#pragma once

#include <gtest/gtest.h>
#include <magenta/syscalls.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/object.h>
#include <zxtask/linux.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace zxctl::test {

// How long anything may take that has to come; a safety net.
inline constexpr int64_t kPatienceNs = 60 * kNsPerSec;

// A handle that can be put into containers.
class TaskHandle {
 public:
  TaskHandle() = default;
  explicit TaskHandle(zx_handle_t handle) : handle_(handle) {}
  TaskHandle(TaskHandle&& other) noexcept : handle_(std::exchange(other.handle_, ZX_HANDLE_INVALID)) {}
  TaskHandle& operator=(TaskHandle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~TaskHandle() { Close(); }

  void Close() { zx_handle_close(std::exchange(handle_, ZX_HANDLE_INVALID)); }
  [[nodiscard]] zx_handle_t get() const { return handle_; }

 private:
  zx_handle_t handle_ = ZX_HANDLE_INVALID;
};

inline TaskHandle Attach(pid_t pid, uint32_t options = 0) {
  zx_handle_t process = ZX_HANDLE_INVALID;
  EXPECT_EQ(zxl_process_attach(zx_job_default(), pid, options, &process), ZX_OK) << zxl_last_error();
  return TaskHandle(process);
}

inline std::vector<zx_koid_t> ThreadKoids(const TaskHandle& process) {
  std::vector<zx_koid_t> koids(4096);
  size_t actual = 0;
  size_t available = 0;
  EXPECT_EQ(zx_object_get_info(process.get(), ZX_INFO_PROCESS_THREADS, koids.data(), koids.size() * sizeof(koids[0]),
                               &actual, &available),
            ZX_OK)
      << zxl_last_error();
  EXPECT_EQ(actual, available);
  koids.resize(actual);
  return koids;
}

inline pid_t PidOf(const TaskHandle& task) {
  int32_t pid = 0;
  EXPECT_EQ(zxl_task_get_pid(task.get(), &pid), ZX_OK) << zxl_last_error();
  return pid;
}

inline TaskHandle ChildOf(const TaskHandle& process, zx_koid_t koid) {
  zx_handle_t thread = ZX_HANDLE_INVALID;
  if (zx_object_get_child(process.get(), koid, ZX_RIGHT_SAME_RIGHTS, &thread) != ZX_OK) return {};
  return TaskHandle(thread);
}

// The thread with this id; no handle if there is none.
inline TaskHandle ThreadOf(const TaskHandle& process, pid_t tid) {
  for (const zx_koid_t koid : ThreadKoids(process)) {
    TaskHandle thread = ChildOf(process, koid);
    if (thread.get() != ZX_HANDLE_INVALID && PidOf(thread) == tid) return thread;
  }
  return {};
}

inline TaskHandle LeaderOf(const TaskHandle& process) { return ThreadOf(process, PidOf(process)); }

// Waits until one of the signals is there; 0 after `patience_ns`.
inline zx_signals_t Await(const TaskHandle& task, zx_signals_t signals, int64_t patience_ns = kPatienceNs) {
  zx_signals_t observed = 0;
  const zx_status_t status = zx_object_wait_one(task.get(), signals, zx_deadline_after(patience_ns), &observed);
  return status == ZX_OK ? observed & signals : 0;
}

inline zx_signals_t SignalsOf(const TaskHandle& task) {
  zx_signals_t observed = 0;
  static_cast<void>(zx_object_wait_one(task.get(), 0, 0, &observed));
  return observed;
}

inline uint32_t StateOfThread(const TaskHandle& thread) {
  zx_info_thread_t info = {};
  EXPECT_EQ(zx_object_get_info(thread.get(), ZX_INFO_THREAD, &info, sizeof(info), nullptr, nullptr), ZX_OK)
      << zxl_last_error();
  return info.state;
}

// A token of a suspend that may not have taken effect yet.
inline TaskHandle Suspend(const TaskHandle& task) {
  zx_handle_t token = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_task_suspend_token(task.get(), &token), ZX_OK) << zxl_last_error();
  return TaskHandle(token);
}

// A thread's suspend that has taken effect.
inline TaskHandle SuspendAndAwait(const TaskHandle& thread) {
  TaskHandle token = Suspend(thread);
  EXPECT_NE(Await(thread, ZX_THREAD_SUSPENDED), 0U);
  return token;
}

inline zx_thread_state_general_regs_t RegistersOf(const TaskHandle& thread) {
  zx_thread_state_general_regs_t registers = {};
  EXPECT_EQ(zx_thread_read_state(thread.get(), ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK)
      << zxl_last_error();
  return registers;
}

struct Spawned {
  TaskHandle process;
  TaskHandle thread;
};

// A program under supervision; parked unless `options` says otherwise.
inline Spawned SpawnTask(const std::vector<std::string>& argv, uint32_t options = 0,
                         std::array<int, 3> stdio = {-1, -1, -1}) {
  std::vector<const char*> pointers;
  for (const std::string& word : argv) pointers.push_back(word.c_str());
  pointers.push_back(nullptr);
  const zxl_spawn_args_t args = {.path = pointers[0],
                                 .argv = pointers.data(),
                                 .envp = nullptr,
                                 .cwd = nullptr,
                                 .stdio = {stdio[0], stdio[1], stdio[2]},
                                 .options = options};
  zx_handle_t process = ZX_HANDLE_INVALID;
  zx_handle_t thread = ZX_HANDLE_INVALID;
  EXPECT_EQ(zxl_process_spawn(zx_job_default(), &args, &process, &thread), ZX_OK) << zxl_last_error();
  return {TaskHandle(process), TaskHandle(thread)};
}

}  // namespace zxctl::test
