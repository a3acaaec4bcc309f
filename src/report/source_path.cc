#include "report/source_path.h"

#include <algorithm>

namespace zxctl::report {
namespace {

void AppendSegments(std::string_view path, std::string& out) {
  while (!path.empty()) {
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(segment.size() + 1, path.size()));
    if (segment.empty() || segment == ".") continue;
    out += '/';
    out += segment;
  }
}

}  // namespace

std::string SourcePath(std::string_view directory, std::string_view file) {
  if (file.empty() || file.starts_with('/') || !directory.starts_with('/')) return std::string(file);
  std::string path;
  AppendSegments(directory, path);
  AppendSegments(file, path);
  return path;
}

}  // namespace zxctl::report
