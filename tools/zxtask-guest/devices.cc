#include "devices.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace zxctl {
namespace {

// The registers of a 16550.
enum Register : uint16_t { kData, kInterrupts, kIdentity, kLine, kModem, kLineStatus, kModemStatus, kScratch };

constexpr uint8_t kDivisorLatch = 0x80;
constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kTransmitterEmpty = 0x60;
constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kConnected = 0xb0;  // carrier, data set ready, clear to send

}  // namespace

bool SerialPort::HasInput() {
  if (input_ || input_over_) return input_.has_value();
  pollfd in = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&in, 1, 0) != 1) return false;
  uint8_t byte = 0;
  const ssize_t got = read(STDIN_FILENO, &byte, 1);
  if (got == 1) input_ = byte;
  input_over_ = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
  return input_.has_value();
}

void SerialPort::Send(uint8_t byte) {
  while (write(STDOUT_FILENO, &byte, 1) < 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return;
    pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
    poll(&out, 1, -1);
  }
}

void SerialPort::Write(uint16_t offset, uint8_t value) {
  const bool latch = (line_ & kDivisorLatch) != 0;
  switch (offset) {
    case kData:
      if (latch) {
        divisor_[0] = value;
      } else {
        Send(value);
      }
      break;
    case kInterrupts:
      (latch ? divisor_[1] : interrupts_) = value;
      break;
    case kLine:
      line_ = value;
      break;
    case kModem:
      modem_ = value;
      break;
    case kScratch:
      scratch_ = value;
      break;
    default:
      break;
  }
}

uint8_t SerialPort::Read(uint16_t offset) {
  const bool latch = (line_ & kDivisorLatch) != 0;
  switch (offset) {
    case kData: {
      if (latch) return divisor_[0];
      const uint8_t byte = HasInput() ? *input_ : 0;
      input_.reset();
      return byte;
    }
    case kInterrupts:
      return latch ? divisor_[1] : interrupts_;
    case kIdentity:
      return kNoInterrupt;
    case kLine:
      return line_;
    case kModem:
      return modem_;
    case kLineStatus:
      return static_cast<uint8_t>(kTransmitterEmpty | (HasInput() ? kDataReady : 0));
    case kModemStatus:
      return kConnected;
    case kScratch:
      return scratch_;
    default:
      return 0xff;
  }
}

}  // namespace zxctl
