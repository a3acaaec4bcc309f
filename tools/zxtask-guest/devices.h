// The devices of `zxctl guest run`: what answers the I/O ports. Each is asked with the machine's lock held.
#pragma once

#include <cstdint>
#include <optional>

namespace zxctl {

// A 16550 without interrupts: what a kernel writes goes to standard output, what it reads comes from standard input.
class SerialPort {
 public:
  static constexpr uint16_t kPorts = 8;

  void Write(uint16_t offset, uint8_t value);
  [[nodiscard]] uint8_t Read(uint16_t offset);

 private:
  [[nodiscard]] bool HasInput();
  void Send(uint8_t byte);

  std::optional<uint8_t> input_;
  bool input_over_ = false;
  uint8_t interrupts_ = 0;
  uint8_t line_ = 0;
  uint8_t modem_ = 0;
  uint8_t scratch_ = 0;
  uint8_t divisor_[2] = {1, 0};
};

}  // namespace zxctl
