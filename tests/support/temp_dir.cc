#include "support/temp_dir.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

namespace zxctl::test {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "zxctl-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(const std::string& name, const std::string& text, unsigned mode) const {
  const std::string path = Path(name);
  std::ofstream(path, std::ios::binary) << text;
  chmod(path.c_str(), mode);
  return path;
}

std::vector<std::string> TempDir::List() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::string FileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string LineDifferences(const std::string& left, const std::string& right) {
  if (left == right) return "";
  const std::vector<std::string> ours = SplitLines(left);
  const std::vector<std::string> theirs = SplitLines(right);
  std::string text = left.empty() != right.empty() ? "one of them is empty\n" : "they differ\n";
  int shown = 0;
  for (size_t i = 0; i < std::max(ours.size(), theirs.size()) && shown < 12; i++) {
    const std::string a = i < ours.size() ? ours[i] : "(no line)";
    const std::string b = i < theirs.size() ? theirs[i] : "(no line)";
    if (a == b) continue;
    text += std::to_string(i + 1) + "\n-" + a.substr(0, 400) + "\n+" + b.substr(0, 400) + "\n";
    shown++;
  }
  return text;
}

std::string Replaced(const std::string& text, const std::string& pattern, const std::string& by) {
  return std::regex_replace(text, std::regex(pattern), by);
}

}  // namespace zxctl::test
