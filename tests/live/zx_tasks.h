// Processes of tests that go through <zxtask/zx.h>.
#pragma once

#include <gtest/gtest.h>
#include <zxtask/zx.h>

#include <string>
#include <vector>

namespace zxctl::test {

// A safety net for what has to come.
inline zx_time_t Soon() { return zx_deadline_after(ZX_SEC(60)); }

// A program that does not outlive the test.
struct Program {
  Program() = default;
  Program(Program&&) = default;
  Program& operator=(Program&&) = default;
  ~Program() {
    if (process) process.kill();
  }

  zx::Process process;
  zx::Thread thread;
};

inline zx_status_t TrySpawn(const zx::Job& job, const std::vector<std::string>& argv, uint32_t options, Program* out) {
  std::vector<const char*> pointers;
  for (const std::string& word : argv) pointers.push_back(word.c_str());
  pointers.push_back(nullptr);
  const zxl_spawn_args_t args = {.path = pointers[0],
                                 .argv = pointers.data(),
                                 .envp = nullptr,
                                 .cwd = nullptr,
                                 .stdio = {-1, -1, -1},
                                 .options = options};
  return zx::Process::spawn(job, args, &out->process, &out->thread);
}

inline Program Spawn(const std::vector<std::string>& argv, uint32_t options = 0,
                     const zx::Job& job = *zx::Job::default_job()) {
  Program program;
  EXPECT_EQ(TrySpawn(job, argv, options, &program), ZX_OK) << zxl_last_error();
  return program;
}

inline zx::Port MakePort() {
  zx::Port port;
  EXPECT_EQ(zx::Port::create(0, &port), ZX_OK);
  return port;
}

inline zx::Job MakeJob() {
  zx::Job job;
  EXPECT_EQ(zx::Job::create(*zx::Job::default_job(), 0, &job), ZX_OK);
  return job;
}

// The next packet; type 0 with key 0 when none comes.
inline zx_port_packet_t NextPacket(const zx::Port& port) {
  zx_port_packet_t packet = {};
  EXPECT_EQ(port.wait(Soon(), &packet), ZX_OK);
  return packet;
}

inline void AwaitEnd(const zx::Process& process) {
  EXPECT_EQ(process.wait_one(ZX_PROCESS_TERMINATED, Soon()), ZX_OK) << zxl_last_error();
}

inline zx_signals_t SignalsOf(const zx::Handle& handle) {
  zx_signals_t signals = 0;
  EXPECT_EQ(handle.wait_one(0, 0, &signals), ZX_ERR_TIMED_OUT);
  return signals;
}

inline pid_t PidOf(const zx::Process& process) {
  int32_t pid = 0;
  EXPECT_EQ(process.get_pid(&pid), ZX_OK) << zxl_last_error();
  return pid;
}

inline zx_info_process_t InfoOf(const zx::Process& process) {
  zx_info_process_t info = {};
  EXPECT_EQ(process.get_info(ZX_INFO_PROCESS, &info, sizeof(info)), ZX_OK) << zxl_last_error();
  return info;
}

}  // namespace zxctl::test
