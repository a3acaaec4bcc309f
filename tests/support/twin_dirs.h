// Twins that work on files: each runs in a directory of its own, and what they leave there is compared.
#pragma once

#include <functional>
#include <string>

#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {

class TwinDirs {
 public:
  // Runs `argv` in both directories after `set_up` has filled them. Paths of the directories appear as DIR in the
  // outcomes' texts.
  Twins Run(const Argv& argv, RunOptions options = {}, const Argv& flags = {});
  void SetUp(const std::function<void(const TempDir&)>& set_up) const;
  // Run(), and both ended and printed the same.
  Twins ExpectSame(const Argv& argv, const RunOptions& options = {}, const Normalizer& normalize = {});
  // The same files with the same bytes lie in both. Names that contain `except` are left out if it is not empty.
  void ExpectSameFiles(const std::string& except = "") const;

  [[nodiscard]] const TempDir& bare() const { return bare_; }
  [[nodiscard]] const TempDir& supervised() const { return supervised_; }

 private:
  TempDir bare_;
  TempDir supervised_;
};

[[nodiscard]] std::string SortedLines(const std::string& text);
[[nodiscard]] bool HasProgram(const std::string& name);

}  // namespace zxctl::test
