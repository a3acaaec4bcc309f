// A file that did not exist before and that nobody mistakes for a whole one until it is: written under a partial name,
// given its own name at the end, never over an existing file.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/unique_fd.h"

namespace zxctl::report {

class NewFile {
 public:
  // Opens "<prefix><stem>.<n><suffix>" for writing (mode 0600) in an existing directory, n being the first number that is
  // free. `stem` is a safe file name.
  [[nodiscard]] static Result<NewFile> Create(const std::string& directory, std::string_view prefix,
                                              const std::string& stem, std::string_view suffix);
  NewFile(NewFile&& other) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  // Removes the file unless it was published or kept.
  ~NewFile();

  [[nodiscard]] int fd() const { return fd_.get(); }

  // Gives the file the name "<stem>.<n><suffix>" with the first free n and returns its path.
  [[nodiscard]] Result<std::string> Publish(const std::string& stem, std::string_view suffix);
  // Leaves the file under its partial name and returns its path.
  [[nodiscard]] std::string Keep();

 private:
  NewFile(std::string directory, UniqueFd directory_fd)
      : directory_(std::move(directory)), directory_fd_(std::move(directory_fd)) {}

  [[nodiscard]] std::string PathOf(const std::string& name) const;

  std::string directory_;
  UniqueFd directory_fd_;
  std::string name_;
  UniqueFd fd_;
  bool settled_ = false;
};

}  // namespace zxctl::report
