// The path of a source file from what the compiler has written down.
#pragma once

#include <string>
#include <string_view>

namespace zxctl::report {

// `file` as the line table names it, made absolute by `directory`, which the compiler ran in. "." and empty segments go;
// ".." stays: the directory before it may be a symbolic link. A file that is absolute, or whose directory is not known
// to be, stays as it is.
[[nodiscard]] std::string SourcePath(std::string_view directory, std::string_view file);

}  // namespace zxctl::report
