// What a guest has done, packet by packet: printed as it comes, and the last of it kept for the report of its death.
#pragma once

#include <zircon/syscalls/hypervisor.h>
#include <zircon/syscalls/port.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <deque>
#include <string>

namespace zxctl {

class GuestTrace {
 public:
  static constexpr size_t kKept = 16;

  // "text", "json", or nothing to print.
  explicit GuestTrace(std::string format) : format_(std::move(format)) {}

  void Add(uint32_t vcpu, const zx_port_packet_t& packet);
  // The last ones, a line each.
  [[nodiscard]] const std::deque<std::string>& last() const { return last_; }

 private:
  std::string format_;
  uint64_t count_ = 0;
  std::deque<std::string> last_;
};

// The report of a guest that is dead: why, its registers, the code where it stood, and what it did before. `memory` is the VMO of
// its memory at 0.
[[nodiscard]] std::string GuestReport(uint32_t vcpu, zx_status_t status, const std::string& why,
                                      const zxl_vcpu_exit_info_t& info, uint32_t memory, const GuestTrace& trace);

}  // namespace zxctl
