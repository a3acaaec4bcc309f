// The devices of `zxctl guest run`: what answers the I/O ports. Each is asked with the machine's lock held.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/status.h"

namespace zxctl {

// A 16550 without interrupts: what a kernel writes goes to standard output, what it reads comes from standard input. In loopback
// mode it reads what it writes.
class SerialPort {
 public:
  static constexpr uint16_t kPorts = 8;

  // Standard output may keep it waiting until then, by the monotonic clock; 0: for ever.
  void SetDeadline(int64_t deadline_ns) { deadline_ns_ = deadline_ns; }

  // Fails when standard output cannot be written; TIMED_OUT at the deadline.
  Result<void> Write(uint16_t offset, uint8_t value);
  [[nodiscard]] uint8_t Read(uint16_t offset);

 private:
  [[nodiscard]] bool HasInput();
  [[nodiscard]] bool IsLooped() const;
  [[nodiscard]] uint8_t Receive();
  [[nodiscard]] uint8_t LineStatus();
  [[nodiscard]] uint8_t ModemLines();
  void NoteModemLines();
  Result<void> AwaitOutput() const;
  Result<void> Send(uint8_t byte) const;
  void Loop(uint8_t byte);

  std::optional<uint8_t> input_;
  bool input_over_ = false;
  std::deque<uint8_t> looped_;  // what was written in loopback mode and has not been read
  bool overrun_ = false;
  bool fifos_ = false;
  uint8_t interrupts_ = 0;
  uint8_t line_ = 0;
  uint8_t modem_ = 0;
  uint8_t modem_lines_ = 0xb0;  // as they were last
  uint8_t modem_changes_ = 0;   // since they were read
  uint8_t scratch_ = 0;
  uint8_t divisor_[2] = {1, 0};
  int64_t deadline_ns_ = 0;
};

}  // namespace zxctl
