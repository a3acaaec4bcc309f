// What a guest has done, packet by packet: printed as it comes, and the last of it kept for the report of its death.
#pragma once

#include <zircon/syscalls/hypervisor.h>
#include <zircon/syscalls/port.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace zxctl {

// How it ended.
struct GuestEnd {
  int exit_status = 0;
  const char* how = "";               // "exited", "died", "timeout", "failed"
  std::string report = {};            // what is said of it: a sentence, or lines; empty: nothing
  std::optional<uint32_t> vcpu = {};  // which one it was, if it was one
};

class GuestTrace {
 public:
  static constexpr size_t kKept = 16;

  // "text", "json", or nothing to print. With "json" whatever is said is a JSON object a line.
  explicit GuestTrace(std::string format) : format_(std::move(format)) {}

  // A bell's packet comes from a port, which does not know the VCPU.
  void Add(std::optional<uint32_t> vcpu, const zx_port_packet_t& packet);
  // A sentence about what the guest does.
  void Note(const std::string& sentence) const;
  // The last that is said.
  void End(const GuestEnd& end) const;
  // The last ones, a line each, with a heading.
  [[nodiscard]] std::string Last() const;

 private:
  std::string format_;
  uint64_t count_ = 0;
  std::deque<std::string> last_;
};

// The general registers, three in a line.
[[nodiscard]] std::string GuestRegisters(const zx_vcpu_state_t& state);

// The report of a guest that is dead: why, its registers, the code where it stood, and what it did before. `memory` is the VMO of
// its memory at 0.
[[nodiscard]] std::string GuestReport(uint32_t vcpu, zx_status_t status, const std::string& why,
                                      const zxl_vcpu_exit_info_t& info, uint32_t memory, const GuestTrace& trace);

}  // namespace zxctl
