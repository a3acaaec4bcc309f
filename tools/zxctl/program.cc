#include "program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/unique_fd.h"
#include "cli/complain.h"

namespace zxctl {
namespace {

constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool IsExecutableFile(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// The interpreter of a "#!" line; empty when the file has none.
std::string InterpreterOf(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 256> line{};
  if (!fd.valid() || read(fd.get(), line.data(), line.size() - 1) < 3 || line[0] != '#' || line[1] != '!') return {};
  std::istringstream words(std::string(line.data() + 2));
  std::string interpreter;
  words >> interpreter;
  return interpreter;
}

ProgramError NotExecutable(std::string message) { return {kExitNotExecutable, std::move(message)}; }

ProgramError DescribeMissing(const std::string& path) {
  if (!Exists(path)) return {kExitNotFound, fmt::format("{}: not found; is the path right?", path)};
  const std::string interpreter = InterpreterOf(path);
  if (!interpreter.empty()) {
    return NotExecutable(
        fmt::format("{}: its interpreter {} is not found; install it or mend the first line", path, interpreter));
  }
  return NotExecutable(
      fmt::format("{}: its dynamic loader is not found; install the libraries for its architecture", path));
}

ProgramError DescribeDenied(const std::string& path) {
  if (IsDirectory(path)) return NotExecutable(fmt::format("{}: is a directory; name a program in it", path));
  if (access(path.c_str(), X_OK) != 0) {
    return NotExecutable(fmt::format("{}: permission denied; `chmod +x` makes it executable", path));
  }
  return NotExecutable(fmt::format("{}: permission denied; its file system may be mounted noexec", path));
}

ProgramError DescribeFormat(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && info.st_size == 0) return NotExecutable(path + ": the file is empty");
  return NotExecutable(
      fmt::format("{}: not a program that this kernel runs (ENOEXEC); a script needs a first line such as #!/bin/sh, a "
                  "binary must be "
                  "whole and of this machine's architecture",
                  path));
}

ProgramError Describe(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return DescribeMissing(path);
    case EACCES:
    case EPERM:
      return DescribeDenied(path);
    case ENOEXEC:
      return DescribeFormat(path);
    case E2BIG:
      return NotExecutable(path + ": the arguments and the environment are too long (E2BIG); `ulimit -s` bounds them");
    case ETXTBSY:
      return NotExecutable(path + ": somebody has the file open for writing (ETXTBSY)");
    default:
      return NotExecutable(fmt::format("{}: {} ({})", path, strerrordesc_np(error), strerrorname_np(error)));
  }
}

}  // namespace

std::string FindProgram(const std::string& name, ProgramError& error) {
  if (name.find('/') != std::string::npos) return name;
  if (name.empty()) {
    error = {kExitNotFound, "the program's name is empty"};
    return {};
  }
  const char* path = getenv("PATH");
  std::istringstream folders(path != nullptr ? path : kDefaultPath);
  std::string seen;
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (IsExecutableFile(candidate)) return candidate;
    if (seen.empty() && Exists(candidate)) seen = candidate;
  }
  error = seen.empty() ? ProgramError{kExitNotFound, fmt::format("{}: not found in PATH", name)} : DescribeDenied(seen);
  return {};
}

ProgramError ExecuteProgram(const std::string& path, const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execve(path.c_str(), argv.data(), environ);
  return Describe(path, errno);
}

}  // namespace zxctl
