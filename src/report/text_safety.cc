#include "report/text_safety.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace zxctl::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct LeadByte {
  size_t bytes;
  char32_t bits;
  char32_t smallest;  // what a shorter form could not say
};

LeadByte DecodeLead(unsigned char lead) {
  if (lead < 0x80) return {1, lead, 0};
  if ((lead & 0xE0) == 0xC0) return {2, lead & 0x1Fu, 0x80};
  if ((lead & 0xF0) == 0xE0) return {3, lead & 0x0Fu, 0x800};
  if ((lead & 0xF8) == 0xF0) return {4, lead & 0x07u, 0x10000};
  return {0, 0, 0};
}

bool IsScalar(char32_t code) { return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF); }

struct Range {
  char32_t first;
  char32_t last;
};

// Characters that change how the text around them is shown.
constexpr std::array kUnsafeRanges = {
    Range{0x00, 0x1F},     Range{0x7F, 0x9F},     Range{0xAD, 0xAD},       Range{0x061C, 0x061C},
    Range{0x180E, 0x180E}, Range{0x200B, 0x200F}, Range{0x2028, 0x202E},   Range{0x2060, 0x206F},
    Range{0xFEFF, 0xFEFF}, Range{0xFFF9, 0xFFFB}, Range{0xE0000, 0xE0FFF},
};

bool IsUnsafe(char32_t code) {
  return std::any_of(kUnsafeRanges.begin(), kUnsafeRanges.end(),
                     [code](Range range) { return code >= range.first && code <= range.last; });
}

void AppendEscapedByte(std::string& out, unsigned char byte) {
  switch (byte) {
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    case 0x1B:
      out += "\\e";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
  }
}

void AppendSafe(std::string& out, std::string_view bytes, const Utf8Step& step) {
  if (!step.valid || (step.code < 0x80 && IsUnsafe(step.code))) {
    AppendEscapedByte(out, static_cast<unsigned char>(bytes[0]));
  } else if (IsUnsafe(step.code)) {
    fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<uint32_t>(step.code));
  } else {
    out.append(bytes);
  }
}

// Calls visit(bytes, step) for each character or stray byte of `text`.
template <typename Visit>
void ForEachCharacter(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    visit(text.substr(0, step.bytes), step);
    text.remove_prefix(step.bytes);
  }
}

bool StaysInFileName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
         c == '_' || c == '.';
}

}  // namespace

Utf8Step NextUtf8(std::string_view text) {
  const LeadByte lead = DecodeLead(static_cast<unsigned char>(text[0]));
  if (lead.bytes == 0 || lead.bytes > text.size()) return {};
  char32_t code = lead.bits;
  for (size_t i = 1; i < lead.bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3Fu);
  }
  if (code < lead.smallest || !IsScalar(code)) return {};
  return {code, lead.bytes, true};
}

bool IsValidUtf8(std::string_view text) {
  bool valid = true;
  ForEachCharacter(text, [&valid](std::string_view, const Utf8Step& step) { valid = valid && step.valid; });
  return valid;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(
      text, [&out](std::string_view bytes, const Utf8Step& step) { out.append(step.valid ? bytes : kReplacement); });
  return out;
}

std::string TerminalSafe(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(text, [&out](std::string_view bytes, const Utf8Step& step) { AppendSafe(out, bytes, step); });
  return out;
}

std::string FileNameSafe(std::string_view text, size_t max_bytes) {
  std::string out(text.substr(0, max_bytes));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !StaysInFileName(c); }, '_');
  if (out.empty()) return "unknown";
  if (out.front() == '.') out.front() = '_';
  if (out.back() == '.') out.back() = '_';
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  ForEachCharacter(text, [&width](std::string_view, const Utf8Step&) { ++width; });
  return width;
}

}  // namespace zxctl::report
