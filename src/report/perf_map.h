// The names that a just-in-time compiler has written for its code: /tmp/perf-PID.map. The file is the program's own and
// is trusted with names only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/symbol.h"

namespace zxctl::report {

class PerfMap {
 public:
  PerfMap() = default;
  // `path` is read at the first Find(), if it is a regular file of `uid`; at most kMaxBytes of it.
  PerfMap(std::string path, uid_t uid) : path_(std::move(path)), uid_(uid) {}

  // The function at `pc`. Where entries overlap, the one written last holds.
  [[nodiscard]] std::optional<Symbol> Find(uint64_t pc);

  static constexpr size_t kMaxBytes = 64u << 20;

 private:
  struct Entry {
    uint64_t start = 0;
    uint64_t bytes = 0;
    std::string name{};
  };

  void Load();
  void TakeLine(std::string_view line);

  std::string path_;
  uid_t uid_ = 0;
  bool loaded_ = false;
  std::vector<Entry> entries_;
};

}  // namespace zxctl::report
