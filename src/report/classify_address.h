// What an address is, in words. Pure: works on the list of mappings and the threads' stack pointers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "report/maps.h"
#include "report/model.h"

namespace zxctl::report {

struct StackPointer {
  int32_t tid = 0;
  uint64_t sp = 0;
};

// A thread's stack: the mapping it lies in, found by the stack pointer, or by the guard below it that sp has run into.
struct ThreadStack {
  int32_t tid = 0;
  const Mapping* mapping = nullptr;
  const Mapping* guard = nullptr;  // the inaccessible mapping right below; null if there is none
};

class AddressSpace {
 public:
  // `maps` must outlive this. `pid` tells the main thread; `stack_limit` is its limit in bytes, 0 if there is none.
  AddressSpace(std::span<const Mapping> maps, std::span<const StackPointer> threads, int32_t pid, uint64_t stack_limit);

  // What `address` is: "null plus 0x10", "guard page of thread 3's stack: stack overflow", "0x8 bytes past the end of
  // libfoo.so", "not canonical". `access` adds which right the mapping lacks.
  [[nodiscard]] std::string Describe(uint64_t address, Access access) const;

  // What a register points at, in a few words; empty for plain numbers.
  [[nodiscard]] std::string DescribeValue(uint64_t value) const;

  [[nodiscard]] bool IsStackOverflow(uint64_t address) const;
  // The thread whose stack holds `address`; null if none.
  [[nodiscard]] const ThreadStack* StackAt(uint64_t address) const;
  // "thread 12's stack", "main thread's stack", "[heap]", "libc.so.6", "anonymous memory".
  [[nodiscard]] std::string NameOf(const Mapping& mapping) const;
  [[nodiscard]] std::span<const Mapping> maps() const { return maps_; }

 private:
  [[nodiscard]] std::string DescribeMapped(const Mapping& mapping, uint64_t address, Access access) const;
  [[nodiscard]] std::string DescribeUnmapped(uint64_t address) const;
  [[nodiscard]] std::string DescribeNeighbour(uint64_t address) const;
  [[nodiscard]] std::string ThreadName(int32_t tid) const;
  [[nodiscard]] const ThreadStack* GuardedBy(uint64_t address) const;
  [[nodiscard]] bool IsBelowMainStack(uint64_t address) const;

  std::span<const Mapping> maps_;
  std::vector<ThreadStack> stacks_;
  int32_t pid_;
  uint64_t stack_limit_;
};

// What the bits of a value suggest: `the text "AAAAAAAA"`, `the pattern 0xdeadbeef`; empty if nothing.
[[nodiscard]] std::string DescribePattern(uint64_t value);

}  // namespace zxctl::report
