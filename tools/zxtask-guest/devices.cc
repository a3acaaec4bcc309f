#include "devices.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/clock.h"

namespace zxctl {
namespace {

// The registers of a 16550.
enum Register : uint16_t { kData, kInterrupts, kIdentity, kLine, kModem, kLineStatus, kModemStatus, kScratch };

constexpr uint8_t kDivisorLatch = 0x80;
constexpr uint8_t kInterruptBits = 0x0f;
constexpr uint8_t kNoInterrupt = 0x01;
// Of the FIFO control register, and what the identity shows of it.
constexpr uint8_t kEnableFifos = 0x01;
constexpr uint8_t kClearReceived = 0x02;
constexpr uint8_t kFifosEnabled = 0xc0;
constexpr size_t kFifoBytes = 16;
// Of the line status.
constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kOverrun = 0x02;
constexpr uint8_t kTransmitterEmpty = 0x60;
// Of the modem control.
constexpr uint8_t kModemBits = 0x1f;
constexpr uint8_t kLoopback = 0x10;
// Of the modem status. What has changed since it was read is in the low four bits.
constexpr uint8_t kClearToSend = 0x10;
constexpr uint8_t kDataSetReady = 0x20;
constexpr uint8_t kRing = 0x40;
constexpr uint8_t kCarrier = 0x80;

constexpr const char* kCannotWrite = "cannot write to standard output";

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

bool SerialPort::IsLooped() const { return (modem_ & kLoopback) != 0; }

Result<void> SerialPort::AwaitOutput() const {
  pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  for (;;) {
    int64_t wait_ms = -1;
    if (deadline_ns_ != 0) {
      const int64_t left_ns = std::max<int64_t>(deadline_ns_ - MonotonicNs(), 0);
      wait_ms = std::min<int64_t>((left_ns + kNsPerMs - 1) / kNsPerMs, INT32_MAX);
    }
    const int ready = poll(&out, 1, static_cast<int>(wait_ms));
    if (ready > 0) return {};
    if (ready == 0 && MonotonicNs() >= deadline_ns_) {
      return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "nobody reads standard output"});
    }
    if (ready < 0 && errno != EINTR) return FailErrno(kCannotWrite);
  }
}

Result<void> SerialPort::Send(uint8_t byte) const {
  // Without a deadline write() may do the waiting.
  bool must_wait = deadline_ns_ != 0;
  for (;;) {
    if (must_wait) {
      if (auto ready = AwaitOutput(); !ready) return ready;
    }
    if (write(STDOUT_FILENO, &byte, 1) == 1) return {};
    if (errno != EINTR && errno != EAGAIN) return FailErrno(kCannotWrite);
    must_wait |= errno == EAGAIN;
  }
}

void SerialPort::Loop(uint8_t byte) {
  if (looped_.size() == (fifos_ ? kFifoBytes : 1)) {
    overrun_ = true;
    // FIFOs that are full keep what they have; the single register does not.
    if (fifos_) return;
    looped_.clear();
  }
  looped_.push_back(byte);
}

uint8_t SerialPort::ModemLines() {
  // At the end of standard input the other side has hung up.
  if (!IsLooped()) {
    const bool connected = HasInput() || !input_over_;
    return static_cast<uint8_t>(kClearToSend | kDataSetReady | (connected ? kCarrier : 0));
  }
  // Data terminal ready, request to send, and the two outputs.
  constexpr uint8_t kSeenAs[] = {kDataSetReady, kClearToSend, kRing, kCarrier};
  uint8_t lines = 0;
  for (size_t i = 0; i < std::size(kSeenAs); ++i) lines |= (modem_ >> i & 1) != 0 ? kSeenAs[i] : 0;
  return lines;
}

void SerialPort::NoteModemLines() {
  const uint8_t lines = ModemLines();
  uint8_t changed = lines ^ modem_lines_;
  // Only the end of a ring counts as a change.
  if ((lines & kRing) != 0) changed &= static_cast<uint8_t>(~kRing);
  modem_changes_ |= static_cast<uint8_t>(changed >> 4);
  modem_lines_ = lines;
}

uint8_t SerialPort::Receive() {
  uint8_t byte = 0;
  if (!looped_.empty()) {
    byte = looped_.front();
    looped_.pop_front();
  } else if (!IsLooped() && HasInput()) {
    byte = *input_;
    input_.reset();
  }
  return byte;
}

uint8_t SerialPort::LineStatus() {
  const bool ready = !looped_.empty() || (!IsLooped() && HasInput());
  const bool overrun = std::exchange(overrun_, false);
  return static_cast<uint8_t>(kTransmitterEmpty | (ready ? kDataReady : 0) | (overrun ? kOverrun : 0));
}

Result<void> SerialPort::Write(uint16_t offset, uint8_t value) {
  const bool latch = (line_ & kDivisorLatch) != 0;
  switch (offset) {
    case kData:
      if (latch) {
        divisor_[0] = value;
      } else if (IsLooped()) {
        Loop(value);
      } else {
        return Send(value);
      }
      break;
    case kInterrupts:
      (latch ? divisor_[1] : interrupts_) = latch ? value : value & kInterruptBits;
      break;
    case kIdentity: {  // FIFO control, when it is written
      const bool fifos = (value & kEnableFifos) != 0;
      // What waits on standard input has not been received yet.
      if (fifos != fifos_ || (value & kClearReceived) != 0) looped_.clear();
      fifos_ = fifos;
      break;
    }
    case kLine:
      line_ = value;
      break;
    case kModem:
      NoteModemLines();
      modem_ = value & kModemBits;
      NoteModemLines();
      break;
    case kScratch:
      scratch_ = value;
      break;
    default:
      break;
  }
  return {};
}

uint8_t SerialPort::Read(uint16_t offset) {
  const bool latch = (line_ & kDivisorLatch) != 0;
  switch (offset) {
    case kData:
      return latch ? divisor_[0] : Receive();
    case kInterrupts:
      return latch ? divisor_[1] : interrupts_;
    case kIdentity:
      return fifos_ ? kNoInterrupt | kFifosEnabled : kNoInterrupt;
    case kLine:
      return line_;
    case kModem:
      return modem_;
    case kLineStatus:
      return LineStatus();
    case kModemStatus:
      NoteModemLines();
      return modem_lines_ | std::exchange(modem_changes_, 0);
    case kScratch:
      return scratch_;
    default:
      return 0xff;
  }
}

}  // namespace zxctl
