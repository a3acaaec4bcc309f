// A program of tests in which threads are made and started: target_start, and where its pieces are.
#pragma once

#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "live/zx_tasks.h"
#include "support/child_process.h"
#include "support/supervised.h"

namespace zxctl::test {

// What target_start says it has seen; the order is its own.
struct Seen {
  uint64_t sp, arg1, arg2, tp, abi_reg;
  uint64_t others;  // all other general registers, or'ed
  uint64_t flags, signal_mask;
  uint64_t float_control[2];
  uint64_t vectors[2];
  uint64_t done;
};

inline uint32_t StateOf(const zx::Thread& thread) {
  zx_info_thread_t info = {};
  EXPECT_EQ(thread.get_info(ZX_INFO_THREAD, &info, sizeof(info)), ZX_OK) << zxl_last_error();
  return info.state;
}

inline pid_t TidOf(const zx::Thread& thread) {
  int32_t tid = 0;
  EXPECT_EQ(thread.get_pid(&tid), ZX_OK) << zxl_last_error();
  return tid;
}

inline void AwaitExit(const zx::Thread& thread) {
  EXPECT_EQ(thread.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK) << zxl_last_error();
}

class StartedProgram {
 public:
  static constexpr uint64_t kStackBytes = 64 * 1024;

  explicit StartedProgram(const std::string& mode = "plain")
      : child_({TargetPath("target_start"), mode}, {.keep_stdin_open = true}) {
    std::istringstream words(child_.ReadLine().value_or(""));
    for (std::string name, value; words >> name >> value;) places_[name] = std::stoull(value, nullptr, 16);
    EXPECT_EQ(zx::Process::attach(*zx::Job::default_job(), child_.pid(), 0, &process), ZX_OK) << zxl_last_error();
  }

  // The address of one of its pieces.
  [[nodiscard]] uint64_t at(const std::string& name) const { return places_.at(name); }
  // The top of a stack that nobody else uses.
  [[nodiscard]] uint64_t Stack(uint64_t index = 0) const { return at("stacks") + (index + 1) * kStackBytes; }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  ChildProcess& child() { return child_; }

  [[nodiscard]] zx::Thread Create(const char* name = "made") const {
    zx::Thread thread;
    EXPECT_EQ(zx::Thread::create(process, name, std::strlen(name), 0, &thread), ZX_OK) << zxl_last_error();
    return thread;
  }
  // One that begins there, and stands at its start for a debugger with this port.
  [[nodiscard]] zx::Thread CreateAndStandAtStart(const zx::Port& port, const std::string& piece) const {
    EXPECT_EQ(process.bind_exception_port(port, 4, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    zx::Thread thread = Create();
    EXPECT_EQ(thread.start(at(piece), Stack(), 0, 0), ZX_OK) << zxl_last_error();
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
    return thread;
  }
  // What a recorder has seen, and the numbers behind "counter" and "futex".
  struct Report {
    Seen seen = {};
    int64_t counter = 0;
    int64_t futex = 0;
  };
  Report Ask() {
    child_.Send("p");
    std::istringstream first(child_.ReadLine().value_or(""));
    std::istringstream second(child_.ReadLine().value_or(""));
    Report report;
    std::string word;
    std::vector<uint64_t> values;
    for (first >> word; first >> word;) values.push_back(std::stoull(word, nullptr, 16));
    EXPECT_EQ(values.size(), sizeof(Seen) / sizeof(uint64_t));
    std::memcpy(&report.seen, values.data(), std::min(values.size() * sizeof(uint64_t), sizeof(Seen)));
    second >> word >> report.counter >> word >> report.futex;
    return report;
  }
  // It ends by itself, as it would have without any of this.
  void ExpectEnd() {
    child_.CloseStdin();
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

 private:
  ChildProcess child_;
  std::map<std::string, uint64_t> places_;

 public:
  zx::Process process;
};

inline zx::Thread LeaderOf(const StartedProgram& program) {
  zx_koid_t koids[8] = {};
  size_t count = 0;
  EXPECT_EQ(program.process.get_info(ZX_INFO_PROCESS_THREADS, koids, sizeof(koids), &count), ZX_OK) << zxl_last_error();
  for (size_t i = 0; i < count; ++i) {
    zx::Thread thread;
    EXPECT_EQ(program.process.get_child(koids[i], ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK) << zxl_last_error();
    if (TidOf(thread) == program.pid()) return thread;
  }
  ADD_FAILURE() << "no leader among " << count;
  return {};
}

}  // namespace zxctl::test
