#include "trace.h"

#include <fmt/format.h>
#include <zircon/status.h>
#include <zircon/syscalls.h>

#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "arch/guest.h"
#include "cli/print.h"
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

// One page of the guest's physical memory at a time.
class CopiedPage final : public arch::GuestBytes {
 public:
  explicit CopiedPage(uint32_t vmo) : vmo_(vmo) {}

  const char* FindPage(uint64_t address) override {
    ++version_;
    return zx_vmo_read(vmo_, page_.data(), address, page_.size()) == ZX_OK ? page_.data() : nullptr;
  }
  [[nodiscard]] uint64_t version() const override { return version_; }

 private:
  uint32_t vmo_;
  uint64_t version_ = 0;
  std::array<char, kPageBytes> page_ = {};
};

// The guest's memory, at its own addresses.
class GuestSource final : public report::MemorySource {
 public:
  GuestSource(uint32_t vmo, const zxl_vcpu_exit_info_t& info) : vmo_(vmo), info_(info) {}

  size_t Read(uint64_t address, std::span<std::byte> out) override {
    CopiedPage memory(vmo_);
    const arch::PagingState paging = {.cr0 = info_.cr0, .cr3 = info_.cr3, .cr4 = info_.cr4, .efer = info_.efer};
    return arch::ReadLinear(paging, info_.cs_base + address, out.data(), out.size(), memory);
  }

 private:
  uint32_t vmo_;
  const zxl_vcpu_exit_info_t& info_;
};

struct Named {
  const char* name;
  uint64_t value;
};

std::string Columns(std::span<const Named> registers) {
  std::string text;
  size_t column = 0;
  for (const Named& each : registers) {
    text += fmt::format("  {:>6} {:#018x}", each.name, each.value);
    if (++column % 3 == 0) text += '\n';
  }
  return text + (column % 3 == 0 ? "" : "\n");
}

// rip counts from the base of cs, which is not 0 in real mode.
std::string Place(const zxl_vcpu_exit_info_t& info) {
  return info.cs_base == 0 ? fmt::format("{:#x}", info.rip)
                           : fmt::format("rip {:#x} in code at {:#x}", info.rip, info.cs_base);
}

std::string Code(uint32_t memory, const zxl_vcpu_exit_info_t& info) {
  GuestSource source(memory, info);
  std::byte first{};
  if (source.Read(info.rip, std::span(&first, 1)) == 0) {
    return fmt::format("  {} is not mapped in the guest's page tables, or not memory\n", Place(info));
  }
  if (info.code_bits == 16) {
    std::array<std::byte, 16> bytes = {};
    const size_t got = source.Read(info.rip, bytes);
    std::string text = fmt::format("  {}, 16 bits:", Place(info));
    for (size_t i = 0; i < got; ++i) text += fmt::format(" {:02x}", std::to_integer<uint8_t>(bytes[i]));
    return text + "\n";
  }
  std::string text = info.cs_base == 0 ? "" : fmt::format("  {}\n", Place(info));
  const auto bits = info.code_bits == 64 ? arch::Bits::k64 : arch::Bits::k32;
  // Where the instructions before it begin is not known.
  for (const auto& each : report::Disassemble(source, {.pc = info.rip, .before = 0, .after = 6, .bits = bits})) {
    text += fmt::format("  {} {:#x}  {}\n", each.address == info.rip ? "=>" : "  ", each.address, each.text);
  }
  return text;
}

void PrintLine(const nlohmann::json& json) {
  // A path is any bytes: what is no UTF-8 must not end the program.
  PrintText(stderr, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

void GuestTrace::Add(std::optional<uint32_t> vcpu, const zx_port_packet_t& packet) {
  ++count_;
  const std::string who = vcpu ? fmt::format("vcpu {}  ", *vcpu) : std::string();
  std::string line = fmt::format("{:>6}  {}{}", count_, who, Text(packet));
  if (format_ == "text") PrintText(stderr, line + "\n");
  if (format_ == "json") {
    nlohmann::json json = Json(packet);
    json["event"] = "packet";
    if (vcpu) json["vcpu"] = *vcpu;
    json["key"] = packet.key;
    json["number"] = count_;
    PrintLine(json);
  }
  if (last_.size() == kKept) last_.pop_front();
  last_.push_back(std::move(line));
}

void GuestTrace::Note(const std::string& sentence) const {
  if (format_ == "json") return PrintLine({{"event", "note"}, {"text", sentence}});
  PrintText(stderr, fmt::format("zxctl: {}\n", sentence));
}

void GuestTrace::End(const GuestEnd& end) const {
  if (format_ == "json") {
    nlohmann::json json = {{"event", "end"}, {"status", end.how}, {"exit_status", end.exit_status}};
    if (end.vcpu) json["vcpu"] = *end.vcpu;
    if (!end.report.empty()) json["report"] = end.report;
    return PrintLine(json);
  }
  if (!end.report.empty())
    PrintText(stderr, fmt::format("zxctl: {}{}", end.report, end.report.back() == '\n' ? "" : "\n"));
}

std::string GuestTrace::Last() const {
  if (last_.empty()) return "it had done nothing that is trapped\n";
  return fmt::format("what it did before, the last {}\n{}\n", last_.size(), fmt::join(last_, "\n"));
}

std::string GuestRegisters(const zx_vcpu_state_t& s) {
  const Named registers[] = {{"rax", s.rax}, {"rbx", s.rbx},      {"rcx", s.rcx}, {"rdx", s.rdx}, {"rsi", s.rsi},
                             {"rdi", s.rdi}, {"rbp", s.rbp},      {"rsp", s.rsp}, {"r8", s.r8},   {"r9", s.r9},
                             {"r10", s.r10}, {"r11", s.r11},      {"r12", s.r12}, {"r13", s.r13}, {"r14", s.r14},
                             {"r15", s.r15}, {"rflags", s.rflags}};
  return Columns(registers);
}

std::string GuestReport(uint32_t vcpu, zx_status_t status, const std::string& why, const zxl_vcpu_exit_info_t& info,
                        uint32_t memory, const GuestTrace& trace) {
  const Named others[] = {{"rip", info.rip}, {"cr2", info.cr2}, {"cr3", info.cr3}};
  std::string text = fmt::format("the guest died on VCPU {}: {}\n  {} (KVM exit {}", vcpu, why,
                                 zx_status_get_string(status), info.kvm_exit_reason);
  if (info.suberror != 0) text += fmt::format(", suberror {}", info.suberror);
  if (info.hardware_reason != 0) text += fmt::format(", hardware {:#x}", info.hardware_reason);
  return text + fmt::format(")\n\nregisters\n{}{}\ncode\n{}\n{}", GuestRegisters(info.state), Columns(others),
                            Code(memory, info), trace.Last());
}

}  // namespace zxctl
