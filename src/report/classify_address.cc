#include "report/classify_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "arch/arch.h"

namespace zxctl::report {
namespace {

// The lowest pages, which no program maps (vm.mmap_min_addr).
constexpr uint64_t kNullPages = 0x10000;
// How far from a mapping an address may be and still be said to be "just" past or before it.
constexpr uint64_t kNear = 1 << 20;
// How far below its stack a runaway thread may have jumped with one large frame.
constexpr uint64_t kStackStep = 1 << 20;
constexpr uint64_t kKernelHalf = uint64_t{1} << 63;

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool IsInaccessible(const Mapping& mapping) { return !mapping.read && !mapping.write && !mapping.execute; }

const Mapping* GuardBelow(std::span<const Mapping> maps, const Mapping& stack) {
  const Mapping* below = MappingBelow(maps, stack.start);
  return below != nullptr && below->end == stack.start && IsInaccessible(*below) ? below : nullptr;
}

ThreadStack FindStack(std::span<const Mapping> maps, const StackPointer& thread) {
  const Mapping* mapping = FindMapping(maps, thread.sp);
  const bool outside = mapping == nullptr || IsInaccessible(*mapping);
  if (outside) {
    mapping = MappingAbove(maps, thread.sp);
    if (mapping != nullptr && (!mapping->write || mapping->start - thread.sp > kStackStep)) mapping = nullptr;
  }
  if (mapping == nullptr) return {.tid = thread.tid};
  return {.tid = thread.tid, .mapping = mapping, .guard = GuardBelow(maps, *mapping)};
}

bool IsPrintable(uint8_t byte) { return byte >= 0x20 && byte < 0x7f; }

// The bytes of a value as text, without the zeros at its end; empty unless at least four are printable and nothing else.
std::string TextOf(uint64_t value) {
  std::array<char, 8> bytes;
  std::memcpy(bytes.data(), &value, bytes.size());
  std::string_view text(bytes.data(), bytes.size());
  text = text.substr(0, text.find('\0'));
  const bool rest_is_zero = text.size() == 8 || value >> (8 * text.size()) == 0;
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char c) { return IsPrintable(static_cast<uint8_t>(c)); });
  return rest_is_zero && printable && text.size() >= 4 ? std::string(text) : std::string();
}

std::optional<std::string_view> KnownPattern(uint32_t half) {
  switch (half) {
    case 0xdeadbeef:
      return "0xdeadbeef";
    case 0xbaadf00d:
      return "0xbaadf00d";
    case 0xdeadc0de:
      return "0xdeadc0de";
    case 0xcafebabe:
      return "0xcafebabe";
    case 0xfeedface:
      return "0xfeedface";
    case 0xabababab:
      return "0xab repeated (a heap's guard bytes)";
    case 0xcdcdcdcd:
      return "0xcd repeated (memory that was never written)";
    case 0xdddddddd:
      return "0xdd repeated (freed memory)";
    case 0x6b6b6b6b:
      return "0x6b repeated (freed memory)";
    case 0x5a5a5a5a:
      return "0x5a repeated (memory that was never written)";
    case 0xbebebebe:
      return "0xbe repeated (AddressSanitizer's fresh memory)";
    case 0xa5a5a5a5:
      return "0xa5 repeated (freed or fresh memory)";
    default:
      return std::nullopt;
  }
}

std::string WithPattern(std::string text, uint64_t address) {
  const std::string pattern = DescribePattern(address);
  return pattern.empty() ? text : fmt::format("{}; it looks like {}", text, pattern);
}

std::string_view MissingRight(const Mapping& mapping, Access access) {
  switch (access) {
    case Access::kRead:
      return mapping.read ? "" : "not readable";
    case Access::kWrite:
      return mapping.write ? "" : "not writable";
    case Access::kExecute:
      return mapping.execute ? "" : "not executable";
    case Access::kUnknown:
      break;
  }
  return "";
}

}  // namespace

std::string DescribePattern(uint64_t value) {
  const auto low = KnownPattern(static_cast<uint32_t>(value));
  const auto high = KnownPattern(static_cast<uint32_t>(value >> 32));
  if (low || high) return fmt::format("the pattern {}", low ? *low : *high);
  const std::string text = TextOf(value);
  return text.empty() ? std::string() : fmt::format("the text \"{}\"", text);
}

AddressSpace::AddressSpace(std::span<const Mapping> maps, std::span<const StackPointer> threads, int32_t pid,
                           uint64_t stack_limit)
    : maps_(maps), pid_(pid), stack_limit_(stack_limit) {
  for (const StackPointer& thread : threads) {
    ThreadStack stack = FindStack(maps, thread);
    if (stack.mapping != nullptr) stacks_.push_back(stack);
  }
}

std::string AddressSpace::ThreadName(int32_t tid) const {
  return tid == pid_ ? "the main thread" : fmt::format("thread {}", tid);
}

const ThreadStack* AddressSpace::StackAt(uint64_t address) const {
  const auto found =
      std::find_if(stacks_.begin(), stacks_.end(), [&](const ThreadStack& s) { return s.mapping->Contains(address); });
  return found == stacks_.end() ? nullptr : &*found;
}

const ThreadStack* AddressSpace::GuardedBy(uint64_t address) const {
  const auto found = std::find_if(stacks_.begin(), stacks_.end(), [&](const ThreadStack& s) {
    return s.guard != nullptr && s.guard->Contains(address) && s.mapping->start - address <= kStackStep;
  });
  return found == stacks_.end() ? nullptr : &*found;
}

// The kernel refuses to grow the main stack past its limit, and leaves a gap below it unmapped.
bool AddressSpace::IsBelowMainStack(uint64_t address) const {
  const Mapping* above = FindMapping(maps_, address) == nullptr ? MappingAbove(maps_, address) : nullptr;
  if (above == nullptr || above->path != "[stack]" || above->start - address > kStackStep) return false;
  return stack_limit_ != 0 && above->end - address > stack_limit_ - std::min(stack_limit_, kStackStep);
}

bool AddressSpace::IsStackOverflow(uint64_t address) const {
  return GuardedBy(address) != nullptr || IsBelowMainStack(address);
}

std::string AddressSpace::NameOf(const Mapping& mapping) const {
  if (mapping.path == "[stack]") return "the main thread's stack";
  for (const ThreadStack& stack : stacks_) {
    if (stack.mapping == &mapping && !mapping.IsFile()) return fmt::format("{}'s stack", ThreadName(stack.tid));
    if (stack.guard == &mapping) return fmt::format("the guard page of {}'s stack", ThreadName(stack.tid));
  }
  if (mapping.path.empty()) return "anonymous memory";
  return std::string(mapping.IsFile() ? BaseName(mapping.path) : std::string_view(mapping.path));
}

std::string AddressSpace::DescribeMapped(const Mapping& mapping, uint64_t address, Access access) const {
  if (const ThreadStack* stack = GuardedBy(address)) {
    return fmt::format("guard page of {}'s stack: stack overflow", ThreadName(stack->tid));
  }
  const uint64_t offset = address - mapping.start + (mapping.IsFile() ? mapping.offset : 0);
  const std::string where = fmt::format("{}+{:#x} ({})", NameOf(mapping), offset, mapping.Rights());
  const std::string_view missing = MissingRight(mapping, access);
  return missing.empty() ? fmt::format("in {}", where) : fmt::format("in {}, which is {}", where, missing);
}

std::string AddressSpace::DescribeNeighbour(uint64_t address) const {
  const Mapping* below = MappingBelow(maps_, address);
  const Mapping* above = MappingAbove(maps_, address);
  const uint64_t past = below == nullptr ? UINT64_MAX : address - below->end;
  const uint64_t before = above == nullptr ? UINT64_MAX : above->start - address;
  if (std::min(past, before) > kNear) return {};
  if (past <= before) return fmt::format("{:#x} bytes past the end of {}", past, NameOf(*below));
  return fmt::format("{:#x} bytes before {}", before, NameOf(*above));
}

std::string AddressSpace::DescribeUnmapped(uint64_t address) const {
  if (IsBelowMainStack(address)) {
    return fmt::format("below the main thread's stack, which has reached its limit of {} KiB: stack overflow",
                       stack_limit_ / 1024);
  }
  const std::string neighbour = DescribeNeighbour(address);
  return WithPattern(neighbour.empty() ? "not mapped" : fmt::format("not mapped, {}", neighbour), address);
}

std::string AddressSpace::Describe(uint64_t address, Access access) const {
  if (const Mapping* mapping = FindMapping(maps_, address)) return DescribeMapped(*mapping, address, access);
  if (address == 0) return "null";
  if (address < kNullPages) return fmt::format("null plus {:#x}", address);
  if (address > UINT64_MAX - kNullPages) return fmt::format("null minus {:#x}", -address);
  if (!arch::IsCanonical(address)) return WithPattern("not a canonical address", address);
  if ((address & kKernelHalf) != 0) return WithPattern("in the kernel's half of the address space", address);
  return DescribeUnmapped(address);
}

std::string AddressSpace::DescribeValue(uint64_t value) const {
  const Mapping* mapping = FindMapping(maps_, value);
  if (mapping == nullptr || value < kNullPages) return DescribePattern(value);
  const uint64_t offset = value - mapping->start + (mapping->IsFile() ? mapping->offset : 0);
  return fmt::format("{}+{:#x}", NameOf(*mapping), offset);
}

}  // namespace zxctl::report
