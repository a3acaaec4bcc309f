#include "cli/print.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"
#include "cli/complain.h"

namespace zxctl {

void PrintText(std::FILE* to, std::string_view text) {
  // Who prints with fmt::print() ends by an exception when this fails.
  (void)!std::fwrite(text.data(), 1, text.size(), to);
}

int EndOutput(int status) {
  constexpr const char* kWhat = "cannot write to standard output";
  if (std::fflush(stdout) != 0) {
    Complain(Status::FromErrno(kWhat, errno).ToString());
  } else if (std::ferror(stdout) != 0) {
    Complain(kWhat);
  } else {
    return status;
  }
  return kExitFailure;
}

void FillStandardStreams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest free number is this one: those below are open.
    if (fcntl(fd, F_GETFD) < 0) (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
}

}  // namespace zxctl
