// The calls that target_blocking can be blocked in.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace zxctl::test {

struct BlockingCall {
  std::string name;
  bool has_event;
  bool has_timeout;
  std::string program = "target_blocking";
};

inline void PrintTo(const BlockingCall& call, std::ostream* out) { *out << call.name; }

inline const std::vector<BlockingCall>& BlockingCalls() {
  static const std::vector<BlockingCall> calls = {
      {.name = "epoll_wait", .has_event = true, .has_timeout = true},
      {.name = "epoll_pwait", .has_event = true, .has_timeout = true},
      {.name = "epoll_pwait2", .has_event = true, .has_timeout = true},
      {.name = "poll", .has_event = true, .has_timeout = true},
      {.name = "ppoll", .has_event = true, .has_timeout = true},
      {.name = "select", .has_event = true, .has_timeout = true},
      {.name = "pselect", .has_event = true, .has_timeout = true},
      {.name = "nanosleep", .has_event = false, .has_timeout = true},
      {.name = "clock_nanosleep", .has_event = false, .has_timeout = true},
      {.name = "clock_nanosleep_absolute", .has_event = false, .has_timeout = true},
      {.name = "futex_wait", .has_event = true, .has_timeout = true},
      {.name = "futex_wait_bitset", .has_event = true, .has_timeout = true},
      {.name = "read_socket", .has_event = true, .has_timeout = true},
      {.name = "recv", .has_event = true, .has_timeout = true},
      {.name = "recvmsg", .has_event = true, .has_timeout = true},
      {.name = "accept", .has_event = true, .has_timeout = true},
      {.name = "connect", .has_event = true, .has_timeout = true},
      {.name = "send", .has_event = true, .has_timeout = true},
      {.name = "rt_sigtimedwait", .has_event = true, .has_timeout = true},
      {.name = "semop", .has_event = true, .has_timeout = false},
      {.name = "semtimedop", .has_event = true, .has_timeout = true},
      {.name = "msgrcv", .has_event = true, .has_timeout = false},
      {.name = "msgsnd", .has_event = true, .has_timeout = false},
      {.name = "mq_timedreceive", .has_event = true, .has_timeout = true},
      {.name = "mq_timedsend", .has_event = true, .has_timeout = true},
      {.name = "io_getevents", .has_event = true, .has_timeout = true},
      {.name = "io_uring_enter", .has_event = true, .has_timeout = true},
      {.name = "wait4", .has_event = true, .has_timeout = false},
      {.name = "waitid", .has_event = true, .has_timeout = false},
      {.name = "flock", .has_event = true, .has_timeout = false},
      {.name = "fcntl_setlkw", .has_event = true, .has_timeout = false},
      {.name = "fcntl_ofd_setlkw", .has_event = true, .has_timeout = false},
      {.name = "read_pipe", .has_event = true, .has_timeout = false},
      {.name = "write_pipe", .has_event = true, .has_timeout = false},
      {.name = "read_tty", .has_event = true, .has_timeout = false},
      {.name = "read_eventfd", .has_event = true, .has_timeout = false},
      {.name = "read_timerfd", .has_event = true, .has_timeout = false},
      {.name = "read_inotify", .has_event = true, .has_timeout = false},
      {.name = "read_signalfd", .has_event = true, .has_timeout = false},
      {.name = "open_fifo", .has_event = true, .has_timeout = false},
      {.name = "pause", .has_event = true, .has_timeout = false},
      {.name = "sigsuspend", .has_event = true, .has_timeout = false},
  };
  return calls;
}

inline std::vector<BlockingCall> Those(const std::vector<BlockingCall>& calls, bool BlockingCall::*property) {
  std::vector<BlockingCall> those;
  for (const BlockingCall& call : calls) {
    if (call.*property) those.push_back(call);
  }
  return those;
}

inline std::string CallName(const ::testing::TestParamInfo<BlockingCall>& info) { return info.param.name; }

}  // namespace zxctl::test
