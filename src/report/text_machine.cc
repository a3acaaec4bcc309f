#include <fmt/format.h>

#include <algorithm>

#include "report/text_safety.h"
#include "report/text_sections.h"

namespace zxctl::report {
namespace {

constexpr size_t kTabStop = 4;
constexpr size_t kBytesInRow = 16;
constexpr size_t kInstructionBytesShown = 11;
// "rax      " before a register's value, and the gap to the next one.
constexpr size_t kRegisterName = 9;
constexpr size_t kRegisterGap = 4;

std::string ExpandTabs(std::string_view line) {
  std::string out;
  for (const char c : line) {
    if (c == '\t') {
      out.append(kTabStop - out.size() % kTabStop, ' ');
    } else {
      out += c;
    }
  }
  return out;
}

std::string InstructionBytes(const Instruction& instruction) {
  std::string out;
  for (size_t i = 0; i < std::min(instruction.bytes.size(), kInstructionBytesShown); ++i) {
    out += fmt::format("{:02x} ", instruction.bytes[i]);
  }
  if (instruction.bytes.size() > kInstructionBytesShown) out += "..";
  return out;
}

size_t BytesColumn(const std::vector<Instruction>& instructions) {
  size_t width = 0;
  for (const Instruction& instruction : instructions) width = std::max(width, InstructionBytes(instruction).size());
  return width;
}

std::string RegisterCell(const RegisterValue& value, size_t width) {
  return fmt::format("{:<{}}{:#0{}x}", Shown(value.name), kRegisterName, value.value, width);
}

void WriteRegisterGrid(TextCanvas& canvas, const std::vector<RegisterValue>& registers, size_t width) {
  const size_t cell = kRegisterName + width + kRegisterGap;
  const size_t in_row = std::clamp<size_t>((canvas.Room() - 2) / cell, 1, 4);
  for (size_t row = 0; row < registers.size(); row += in_row) {
    std::string line;
    for (size_t i = row; i < std::min(row + in_row, registers.size()); ++i) {
      line += fmt::format("{:<{}}", RegisterCell(registers[i], width), cell);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    canvas.Line(2, line);
  }
}

void WriteRegisterMeanings(TextCanvas& canvas, const std::vector<RegisterValue>& registers) {
  for (const RegisterValue& value : registers) {
    if (value.meaning.empty()) continue;
    canvas.Line(2, Pieces{{fmt::format("{:<8} ", Shown(value.name)), Ink::kFunction}, {Shown(value.meaning)}});
  }
}

using Bytes = std::vector<std::optional<uint8_t>>;

// One row of a hex dump: "48 89 -- …  |H.  |". Bytes before the excerpt's first are blank.
std::string DumpRow(const Bytes& bytes, size_t first, size_t end) {
  std::string hex;
  std::string text;
  for (size_t i = first; i < end; ++i) {
    const std::optional<uint8_t> byte = bytes[i];
    hex += byte ? fmt::format("{:02x} ", *byte) : "-- ";
    text += !byte ? ' ' : *byte >= 0x20 && *byte < 0x7F ? static_cast<char>(*byte) : '.';
  }
  return fmt::format("{:<{}} |{}|", hex, 3 * kBytesInRow, text);
}

bool AllUnreadable(const MemoryExcerpt& memory) {
  return std::none_of(memory.bytes.begin(), memory.bytes.end(), [](const auto& byte) { return byte.has_value(); });
}

void WriteDump(TextCanvas& canvas, const MemoryExcerpt& memory, std::optional<uint64_t> marked, size_t width) {
  if (AllUnreadable(memory)) {
    return canvas.Line(2, fmt::format("{:#0{}x} and the {} bytes from there cannot be read", memory.address, width,
                                      memory.bytes.size()));
  }
  for (size_t row = 0; row < memory.bytes.size(); row += kBytesInRow) {
    const uint64_t address = memory.address + row;
    const bool here = marked && *marked - address < kBytesInRow;
    const size_t end = std::min(row + kBytesInRow, memory.bytes.size());
    canvas.Line(
        2, Pieces{{fmt::format("{} {:#0{}x}  ", here ? "->" : "  ", address, width), here ? Ink::kAlarm : Ink::kFaint},
                  {DumpRow(memory.bytes, row, end)}});
  }
}

}  // namespace

void WriteSource(TextCanvas& canvas, const Report& report) {
  if (!report.source || report.source->lines.empty()) return;
  canvas.Title("source: " + TerminalSafe(report.source->file));
  for (const auto& [number, text] : report.source->lines) {
    const bool here = number == report.source->line;
    canvas.Line(2, Pieces{{fmt::format("{} {:>6} | ", here ? "->" : "  ", number), here ? Ink::kAlarm : Ink::kFaint},
                          {Shown(ExpandTabs(text)), here ? Ink::kTitle : Ink::kPlain}});
  }
}

void WriteDisassembly(TextCanvas& canvas, const Report& report) {
  if (report.disassembly.empty()) return;
  canvas.Title("code");
  const size_t column = BytesColumn(report.disassembly);
  const size_t width = AddressWidth(report);
  for (const Instruction& instruction : report.disassembly) {
    const bool here = instruction.faulting;
    canvas.Line(2, Pieces{{fmt::format("{} {:#0{}x}  ", here ? "->" : "  ", instruction.address, width),
                           here ? Ink::kAlarm : Ink::kFaint},
                          {fmt::format("{:<{}} ", InstructionBytes(instruction), column), Ink::kFaint},
                          {Shown(instruction.text), here ? Ink::kTitle : Ink::kPlain}});
  }
}

void WriteRegisters(TextCanvas& canvas, const Report& report) {
  if (report.thread.registers.empty()) return;
  canvas.Title("registers");
  WriteRegisterGrid(canvas, report.thread.registers, AddressWidth(report));
  WriteRegisterMeanings(canvas, report.thread.registers);
}

void WriteMemory(TextCanvas& canvas, const Report& report) {
  if (!report.memory_at_fault) return;
  canvas.Title("memory at the fault");
  WriteDump(canvas, *report.memory_at_fault, report.exception.address, AddressWidth(report));
}

void WriteStack(TextCanvas& canvas, const Report& report) {
  if (!report.stack) return;
  canvas.Title("stack");
  WriteDump(canvas, *report.stack, std::nullopt, AddressWidth(report));
}

}  // namespace zxctl::report
