#include "trace.h"

#include <fmt/format.h>
#include <zircon/status.h>
#include <zircon/syscalls.h>

#include <nlohmann/json.hpp>
#include <span>

#include "arch/guest.h"
#include "report/disassembler.h"

namespace zxctl {
namespace {

std::string Data(const zx_packet_guest_io_t& io) { return fmt::format("{:#0{}x}", io.u32, 2 + 2 * io.access_size); }

std::string Text(const zx_port_packet_t& packet) {
  switch (packet.type) {
    case ZX_PKT_TYPE_GUEST_IO: {
      const auto& io = packet.guest_io;
      if (io.input) return fmt::format("in   port {:#x}, {} bytes", io.port, io.access_size);
      return fmt::format("out  port {:#x}, {} bytes: {}", io.port, io.access_size, Data(io));
    }
    case ZX_PKT_TYPE_GUEST_MEM:
      return fmt::format("mem  {:#x}, instruction {:02x}", packet.guest_mem.addr,
                         fmt::join(std::span(packet.guest_mem.inst_buf).first(packet.guest_mem.inst_len), " "));
    case ZX_PKT_TYPE_GUEST_BELL:
      return fmt::format("bell {:#x}", packet.guest_bell.addr);
    case ZX_PKT_TYPE_GUEST_VCPU:
      if (packet.guest_vcpu.type == ZX_PKT_GUEST_VCPU_STARTUP) {
        return fmt::format("vcpu start {} at {:#x}", packet.guest_vcpu.startup.id, packet.guest_vcpu.startup.entry);
      }
      return fmt::format("vcpu interrupt {:#x} to {:#x}", packet.guest_vcpu.interrupt.vector,
                         packet.guest_vcpu.interrupt.mask);
    default:
      return fmt::format("packet of type {}", packet.type);
  }
}

nlohmann::json Json(const zx_port_packet_t& packet) {
  switch (packet.type) {
    case ZX_PKT_TYPE_GUEST_IO: {
      const auto& io = packet.guest_io;
      nlohmann::json json = {{"type", "io"}, {"port", io.port}, {"size", io.access_size}, {"input", io.input}};
      if (!io.input) json["data"] = io.u32;
      return json;
    }
    case ZX_PKT_TYPE_GUEST_MEM: {
      const auto bytes = std::span(packet.guest_mem.inst_buf).first(packet.guest_mem.inst_len);
      return {{"type", "mem"},
              {"address", packet.guest_mem.addr},
              {"instruction", fmt::format("{:02x}", fmt::join(bytes, ""))}};
    }
    case ZX_PKT_TYPE_GUEST_BELL:
      return {{"type", "bell"}, {"address", packet.guest_bell.addr}};
    case ZX_PKT_TYPE_GUEST_VCPU:
      if (packet.guest_vcpu.type == ZX_PKT_GUEST_VCPU_STARTUP) {
        const auto& startup = packet.guest_vcpu.startup;
        return {{"type", "startup"}, {"id", startup.id}, {"entry", startup.entry}};
      }
      return {{"type", "interrupt"},
              {"mask", packet.guest_vcpu.interrupt.mask},
              {"vector", packet.guest_vcpu.interrupt.vector}};
    default:
      return {{"type", packet.type}};
  }
}

// The guest's memory, at its own addresses.
class GuestSource final : public report::MemorySource {
 public:
  GuestSource(uint32_t vmo, const zxl_vcpu_exit_info_t& info) : vmo_(vmo), info_(info) {}

  size_t Read(uint64_t address, std::span<std::byte> out) override {
    const arch::ReadGuestPhysical physical = [this](uint64_t at, void* to, size_t size) {
      return zx_vmo_read(vmo_, to, at, size) == ZX_OK;
    };
    const arch::PagingState paging = {.cr0 = info_.cr0, .cr3 = info_.cr3, .cr4 = info_.cr4, .efer = info_.efer};
    return arch::ReadLinear(paging, info_.cs_base + address, out.data(), out.size(), physical);
  }

 private:
  uint32_t vmo_;
  const zxl_vcpu_exit_info_t& info_;
};

std::string Registers(const zxl_vcpu_exit_info_t& info) {
  const zx_vcpu_state_t& s = info.state;
  struct Named {
    const char* name;
    uint64_t value;
  };
  const Named registers[] = {{"rax", s.rax},    {"rbx", s.rbx},       {"rcx", s.rcx},    {"rdx", s.rdx},
                             {"rsi", s.rsi},    {"rdi", s.rdi},       {"rbp", s.rbp},    {"rsp", s.rsp},
                             {"r8", s.r8},      {"r9", s.r9},         {"r10", s.r10},    {"r11", s.r11},
                             {"r12", s.r12},    {"r13", s.r13},       {"r14", s.r14},    {"r15", s.r15},
                             {"rip", info.rip}, {"rflags", s.rflags}, {"cr2", info.cr2}, {"cr3", info.cr3}};
  std::string text;
  size_t column = 0;
  for (const Named& each : registers) {
    text += fmt::format("  {:>6} {:#018x}", each.name, each.value);
    if (++column % 3 == 0) text += '\n';
  }
  return text + (column % 3 == 0 ? "" : "\n");
}

std::string Code(uint32_t memory, const zxl_vcpu_exit_info_t& info) {
  GuestSource source(memory, info);
  std::byte first{};
  if (source.Read(info.rip, std::span(&first, 1)) == 0) {
    return fmt::format("  {:#x} is not mapped in the guest's page tables, or not memory\n", info.rip);
  }
  if (info.code_bits == 16) {
    std::array<std::byte, 16> bytes = {};
    const size_t got = source.Read(info.rip, bytes);
    std::string text = fmt::format("  {:#x} (16-bit code):", info.rip);
    for (size_t i = 0; i < got; ++i) text += fmt::format(" {:02x}", std::to_integer<uint8_t>(bytes[i]));
    return text + "\n";
  }
  std::string text;
  const auto bits = info.code_bits == 64 ? arch::Bits::k64 : arch::Bits::k32;
  for (const auto& each : report::Disassemble(source, {.pc = info.rip, .before = 4, .after = 6, .bits = bits})) {
    text += fmt::format("  {} {:#x}  {}\n", each.address == info.rip ? "=>" : "  ", each.address, each.text);
  }
  return text;
}

}  // namespace

void GuestTrace::Add(uint32_t vcpu, const zx_port_packet_t& packet) {
  ++count_;
  std::string line = fmt::format("{:>6}  vcpu {}  {}", count_, vcpu, Text(packet));
  if (format_ == "text") fmt::print(stderr, "{}\n", line);
  if (format_ == "json") {
    nlohmann::json json = Json(packet);
    json["vcpu"] = vcpu;
    json["key"] = packet.key;
    json["number"] = count_;
    fmt::print(stderr, "{}\n", json.dump());
  }
  if (last_.size() == kKept) last_.pop_front();
  last_.push_back(std::move(line));
}

std::string GuestReport(uint32_t vcpu, zx_status_t status, const std::string& why, const zxl_vcpu_exit_info_t& info,
                        uint32_t memory, const GuestTrace& trace) {
  std::string text = fmt::format("zxctl: the guest died on VCPU {}: {}\n  {} (KVM exit {}", vcpu, why,
                                 zx_status_get_string(status), info.kvm_exit_reason);
  if (info.suberror != 0) text += fmt::format(", suberror {}", info.suberror);
  if (info.hardware_reason != 0) text += fmt::format(", hardware {:#x}", info.hardware_reason);
  text += fmt::format(")\n\nregisters\n{}\ncode\n{}", Registers(info), Code(memory, info));
  if (trace.last().empty()) return text + "\nit had done nothing that is trapped\n";
  text += fmt::format("\nwhat it did before, the last {}\n", trace.last().size());
  for (const std::string& line : trace.last()) text += line + "\n";
  return text;
}

}  // namespace zxctl
