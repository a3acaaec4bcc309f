// Files of tests: a directory that disappears with its owner, and short ways to read and write.
#pragma once

#include <string>
#include <vector>

namespace zxctl::test {

class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string Path(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file of this name and returns its path.
  std::string Write(const std::string& name, const std::string& text, unsigned mode = 0644) const;
  // The names in the directory, sorted.
  [[nodiscard]] std::vector<std::string> List() const;

 private:
  std::string path_;
};

// The content of a file, empty if there is none.
[[nodiscard]] std::string FileText(const std::string& path);
[[nodiscard]] std::vector<std::string> SplitLines(const std::string& text);
// The first lines in which two texts differ, place by place; empty if they are the same.
[[nodiscard]] std::string LineDifferences(const std::string& left, const std::string& right);
// Every match of an ECMAScript regular expression replaced.
[[nodiscard]] std::string Replaced(const std::string& text, const std::string& pattern, const std::string& by);

}  // namespace zxctl::test
