// What the tests of registers on all machines have in common: target_registers, attached to, with a port for its exceptions.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "live/zx_tasks.h"
#include "support/child_process.h"
#include "support/proc_view.h"
#include "support/supervised.h"

namespace zxctl::test {

using FpRegs = zx_thread_state_fp_regs_t;
using GeneralRegs = zx_thread_state_general_regs_t;
using SingleStep = zx_thread_state_single_step_t;

template <typename T>
inline constexpr uint32_t kKindOf = 0;
template <>
inline constexpr uint32_t kKindOf<GeneralRegs> = ZX_THREAD_STATE_GENERAL_REGS;
template <>
inline constexpr uint32_t kKindOf<FpRegs> = ZX_THREAD_STATE_FP_REGS;
template <>
inline constexpr uint32_t kKindOf<SingleStep> = ZX_THREAD_STATE_SINGLE_STEP;

template <typename T>
T Read(const zx::Thread& thread) {
  T state = {};
  EXPECT_EQ(thread.read_state(kKindOf<T>, &state, sizeof(state)), ZX_OK) << zxl_last_error();
  return state;
}

template <typename T>
zx_status_t Write(const zx::Thread& thread, const T& state) {
  return thread.write_state(kKindOf<T>, &state, sizeof(state));
}

// Past a breakpoint that would be tried again: an instruction of four bytes.
template <typename Regs = GeneralRegs>
void PassBreakpoint(const zx::Thread& thread) {
  auto regs = Read<Regs>(thread);
  regs.pc += 4;
  EXPECT_EQ(Write(thread, regs), ZX_OK) << zxl_last_error();
}

inline std::vector<uint8_t> BytesOf(const void* from, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  return {bytes, bytes + size};
}

// target_registers, attached to, with a port for its exceptions.
class RegistersTest : public testing::Test {
 protected:
  RegistersTest() : child_({TargetPath("target_registers")}, {.keep_stdin_open = true}) {
    ReadPlaces();
    EXPECT_EQ(zx::Process::attach(*zx::Job::default_job(), child_.pid(), 0, &process_), ZX_OK) << zxl_last_error();
    zx_koid_t koid = 0;
    size_t count = 0;
    EXPECT_EQ(process_.get_info(ZX_INFO_PROCESS_THREADS, &koid, sizeof(koid), &count), ZX_OK);
    EXPECT_EQ(process_.get_child(koid, ZX_RIGHT_SAME_RIGHTS, &thread_), ZX_OK) << zxl_last_error();
    EXPECT_EQ(process_.bind_exception_port(port_, 1, 0), ZX_OK) << zxl_last_error();
  }
  // It ends as it would have by itself.
  void TearDown() override {
    child_.CloseStdin();
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

  // It has said where they are, and waits for what it is told.
  void ReadPlaces() {
    std::istringstream words(child_.ReadLine().value_or(""));
    for (std::string name, value; words >> name >> value;) places_[name] = std::stoull(value, nullptr, 16);
    EXPECT_TRUE(WaitUntil([&] { return BlockedCallOf(child_.pid()) == SYS_read; })) << ThreadsText(child_.pid());
  }
  [[nodiscard]] uint64_t at(const std::string& name) const { return places_.at(name); }
  void Tell(const char* command) { child_.Send(command); }
  void ExpectLine(const std::string& line) { EXPECT_EQ(child_.ReadLine().value_or("nothing"), line); }
  // The next exception is of this type.
  void Await(uint32_t type) { EXPECT_EQ(NextPacket(port_).type, type); }
  void Resume() { EXPECT_EQ(thread_.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error(); }
  // It stands at the breakpoint of what it is told to do.
  void StandAt(const char* command) {
    Tell(command);
    Await(ZX_EXCP_SW_BREAKPOINT);
  }
  // Lets it go on from the breakpoint of 'x', and returns what it had afterwards.
  template <typename Found>
  Found FinishAs() {
    Resume();
    Found found = {};
    const std::string line = child_.ReadLine().value_or("");
    constexpr std::string_view kHead = "found ";
    EXPECT_EQ(line.size(), kHead.size() + 2 * sizeof(found)) << line;
    auto* bytes = reinterpret_cast<uint8_t*>(&found);
    for (size_t i = 0; kHead.size() + 2 * i + 1 < line.size() && i < sizeof(found); ++i) {
      bytes[i] = static_cast<uint8_t>(std::stoul(line.substr(kHead.size() + 2 * i, 2), nullptr, 16));
    }
    return found;
  }
  zx::SuspendToken Suspend() {
    zx::SuspendToken token;
    EXPECT_EQ(thread_.suspend(&token), ZX_OK) << zxl_last_error();
    EXPECT_EQ(thread_.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    return token;
  }
  // Each kind takes and gives exactly so many bytes, into a buffer that may be larger.
  void ExpectSizes(const std::map<uint32_t, size_t>& sizes) {
    const zx::SuspendToken token = Suspend();
    for (const auto& [kind, size] : sizes) {
      std::vector<uint8_t> buffer(size + 8);
      EXPECT_EQ(thread_.read_state(kind, buffer.data(), size - 1), ZX_ERR_BUFFER_TOO_SMALL) << kind;
      EXPECT_EQ(thread_.write_state(kind, buffer.data(), size - 1), ZX_ERR_BUFFER_TOO_SMALL) << kind;
      EXPECT_EQ(thread_.read_state(kind, buffer.data(), buffer.size()), ZX_OK) << kind << ": " << zxl_last_error();
      EXPECT_EQ(thread_.write_state(kind, buffer.data(), buffer.size()), ZX_OK) << kind << ": " << zxl_last_error();
      EXPECT_EQ(thread_.read_state(kind, nullptr, size), ZX_ERR_INVALID_ARGS) << kind;
      EXPECT_EQ(thread_.write_state(kind, nullptr, size), ZX_ERR_INVALID_ARGS) << kind;
    }
  }
  void ExpectNoSuchKinds() {
    const zx::SuspendToken token = Suspend();
    std::vector<uint8_t> buffer(4096);
    for (const uint32_t kind : {3U, 6U, 7U, ~0U}) {
      EXPECT_EQ(thread_.read_state(kind, buffer.data(), buffer.size()), ZX_ERR_INVALID_ARGS) << kind;
      EXPECT_EQ(thread_.write_state(kind, buffer.data(), buffer.size()), ZX_ERR_INVALID_ARGS) << kind;
    }
  }
  void ExpectRefused(zx_status_t status, const std::string& what) {
    EXPECT_EQ(status, ZX_ERR_INVALID_ARGS);
    EXPECT_NE(std::string(zxl_last_error()).find(what), std::string::npos) << zxl_last_error();
  }
  // The pattern that the program has loaded, from `offset` on.
  static std::vector<uint8_t> Pattern(size_t offset, size_t size) {
    std::vector<uint8_t> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>((offset + i) * 7 + 1);
    return bytes;
  }

  ChildProcess child_;
  std::map<std::string, uint64_t> places_;
  zx::Port port_ = MakePort();
  zx::Process process_;
  zx::Thread thread_;
};

}  // namespace zxctl::test
