#include "report/abort_reason.h"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace zxctl::report {
namespace {

constexpr size_t kMaxMessage = 4096;
constexpr size_t kMaxTypeName = 1024;
// glibc's struct abort_msg_s: the size as an unsigned int, then the text.
constexpr uint64_t kMessageOffset = 4;

// The Itanium C++ ABI's exception header: type_info* … and, some bytes on, the unwinder's part, which starts with its
// class; the object follows 32 bytes after that, for 64-bit code and for 32-bit code.
constexpr uint64_t kGnuCxxClass = 0x474e5543432b2b00;  // "GNUCC++\0"
constexpr uint64_t kTypeBeforeUnwindHeader64 = 80;
constexpr uint64_t kTypeBeforeUnwindHeader32 = 48;
constexpr uint64_t kObjectAfterUnwindHeader = 32;
constexpr uint64_t kMaxScannedBytes = 16384;
constexpr size_t kMaxScannedFrames = 16;

// The standard exceptions that keep their text in a string right after the vtable pointer.
constexpr std::array<std::string_view, 9> kStandardTypes = {
    "St11logic_error",   "St12domain_error", "St16invalid_argument", "St12length_error",   "St12out_of_range",
    "St13runtime_error", "St11range_error",  "St14overflow_error",   "St15underflow_error"};

std::string DemangleType(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                         &std::free);
  return text ? std::string(text.get()) : name;
}

// A type_info, and the standard exceptions, have a pointer to a vtable first and the pointer to their text behind it.
ThrownException ReadThrown(MemorySource& memory, uint64_t unwind_header, size_t word_bytes) {
  const uint64_t type_at = unwind_header - (word_bytes == 8 ? kTypeBeforeUnwindHeader64 : kTypeBeforeUnwindHeader32);
  const auto type_info = memory.ReadWord(type_at, word_bytes);
  const auto name_at = type_info ? memory.ReadWord(*type_info + word_bytes, word_bytes) : std::nullopt;
  if (!name_at) return {};
  std::string name = memory.ReadString(*name_at, kMaxTypeName);
  // A name that is the same in every library only has '*' before it.
  if (name.starts_with('*')) name.erase(0, 1);
  ThrownException thrown{.type = DemangleType(name), .what = {}};
  if (std::find(kStandardTypes.begin(), kStandardTypes.end(), name) == kStandardTypes.end()) return thrown;
  const uint64_t object = unwind_header + kObjectAfterUnwindHeader;
  if (const auto text = memory.ReadWord(object + word_bytes, word_bytes)) {
    thrown.what = memory.ReadString(*text, kMaxMessage);
  }
  return thrown;
}

}  // namespace

std::string ReadAbortMessage(MemorySource& memory, ModuleTable& modules) {
  const LoadedModule* libc = modules.FindByName("libc.so");
  if (libc == nullptr) libc = modules.FindByName("libc-2.");
  if (libc == nullptr || !libc->image) return {};
  const auto symbols = ReadDynamicSymbols(memory, *libc->image);
  const auto found = std::find_if(symbols.begin(), symbols.end(),
                                  [](const MemorySymbol& symbol) { return symbol.name == "__abort_msg"; });
  if (found == symbols.end()) return {};
  const auto message = memory.ReadWord(found->address, libc->image->is_64 ? 8 : 4);
  if (!message || *message == 0) return {};
  std::string text = memory.ReadString(*message + kMessageOffset, kMaxMessage);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

ThrownException FindThrownException(MemorySource& memory, std::span<const UnwoundFrame> frames, size_t word_bytes) {
  if (frames.empty()) return {};
  const uint64_t first = frames.front().sp;
  const uint64_t last = frames[std::min(frames.size(), kMaxScannedFrames) - 1].sp;
  const uint64_t end = first + std::min(last < first ? 0 : last - first, kMaxScannedBytes);
  for (uint64_t slot = first; slot < end; slot += word_bytes) {
    const auto pointer = memory.ReadWord(slot, word_bytes);
    if (!pointer || memory.ReadValue<uint64_t>(*pointer) != kGnuCxxClass) continue;
    ThrownException thrown = ReadThrown(memory, *pointer, word_bytes);
    if (!thrown.type.empty()) return thrown;
  }
  return {};
}

}  // namespace zxctl::report
