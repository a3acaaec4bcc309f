#include "report/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "report/text_safety.h"

namespace zxctl::report {
namespace {

constexpr mode_t kPrivate = 0600;
// Tries for a name that nobody has yet.
constexpr int kMaxNumber = 10000;

tl::unexpected<Status> FailAt(std::string_view doing, const std::string& path) {
  return FailErrno(fmt::format("{} {}", doing, TerminalSafe(path)));
}

// Gives `from` the name `to` in the directory. False with EEXIST when that is taken.
bool RenameNew(int directory, const std::string& from, const std::string& to) {
  if (renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // File systems without RENAME_NOREPLACE.
  if (linkat(directory, from.c_str(), directory, to.c_str(), 0) != 0) return false;
  unlinkat(directory, from.c_str(), 0);
  return true;
}

// Calls attempt(name) with new names until it succeeds or fails for another reason than that the name is taken.
template <typename Attempt>
bool WithFreeName(const std::string& stem, std::string_view suffix, Attempt attempt) {
  for (int number = 0; number < kMaxNumber; ++number) {
    if (attempt(fmt::format("{}.{}{}", stem, number, suffix))) return true;
    if (errno != EEXIST) return false;
  }
  return false;
}

}  // namespace

Result<NewFile> NewFile::Create(const std::string& directory, std::string_view prefix, const std::string& stem,
                                std::string_view suffix) {
  NewFile file(directory, UniqueFd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
  if (!file.directory_fd_.valid()) return FailAt("cannot open the directory", directory);
  const bool created = WithFreeName(std::string(prefix) + stem, suffix, [&file](const std::string& name) {
    file.name_ = name;
    file.fd_.Reset(
        openat(file.directory_fd_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kPrivate));
    return file.fd_.valid();
  });
  if (!created) return FailAt("cannot make a file in", directory);
  return file;
}

NewFile::~NewFile() {
  if (fd_.valid() && !settled_) unlinkat(directory_fd_.get(), name_.c_str(), 0);
}

Result<std::string> NewFile::Publish(const std::string& stem, std::string_view suffix) {
  settled_ = WithFreeName(stem, suffix, [this](const std::string& name) {
    if (!RenameNew(directory_fd_.get(), name_, name)) return false;
    name_ = name;
    return true;
  });
  if (!settled_) return FailAt("cannot name a file in", directory_);
  return PathOf(name_);
}

std::string NewFile::Keep() {
  settled_ = true;
  return PathOf(name_);
}

std::string NewFile::PathOf(const std::string& name) const {
  return directory_ + (directory_.ends_with('/') ? "" : "/") + name;
}

}  // namespace zxctl::report
