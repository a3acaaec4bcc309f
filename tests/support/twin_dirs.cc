#include "support/twin_dirs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace zxctl::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> FilesIn(const std::string& root, const std::string& except) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = fs::relative(entry.path(), root);
    if (!except.empty() && name.find(except) != std::string::npos) continue;
    files[name] = entry.is_regular_file() ? FileText(entry.path()) : "";
  }
  return files;
}

void HideDir(Outcome& outcome, const TempDir& dir) {
  outcome.out = Replaced(outcome.out, dir.path(), "DIR");
  outcome.err = Replaced(outcome.err, dir.path(), "DIR");
}

}  // namespace

Twins TwinDirs::Run(const Argv& argv, RunOptions options, const Argv& flags) {
  Twins twins;
  options.cwd = bare_.path();
  twins.bare = RunCommand(argv, options);
  options.cwd = supervised_.path();
  twins.supervised = RunCommand(Supervised(argv, flags), options);
  HideDir(twins.bare, bare_);
  HideDir(twins.supervised, supervised_);
  return twins;
}

void TwinDirs::SetUp(const std::function<void(const TempDir&)>& set_up) const {
  set_up(bare_);
  set_up(supervised_);
}

Twins TwinDirs::ExpectSame(const Argv& argv, const RunOptions& options, const Normalizer& normalize) {
  Twins twins = Run(argv, options);
  test::ExpectSame(twins, normalize);
  return twins;
}

void TwinDirs::ExpectSameFiles(const std::string& except) const {
  const auto left = FilesIn(bare_.path(), except);
  const auto right = FilesIn(supervised_.path(), except);
  EXPECT_FALSE(left.empty());
  for (const auto& [name, text] : left) {
    const auto other = right.find(name);
    EXPECT_TRUE(other != right.end()) << "only without supervision: " << name;
    EXPECT_TRUE(other == right.end() || text == other->second) << name << " differs";
  }
  for (const auto& [name, text] : right) EXPECT_EQ(left.count(name), 1U) << "only under supervision: " << name;
}

std::string SortedLines(const std::string& text) {
  std::vector<std::string> lines = SplitLines(text);
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const std::string& line : lines) sorted += line + "\n";
  return sorted;
}

bool HasProgram(const std::string& name) {
  return RunCommand({"sh", "-c", "command -v " + name + " > /dev/null"}).status == 0;
}

}  // namespace zxctl::test
