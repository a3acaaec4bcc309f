#include "notices.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace zxctl {

void Notices::OnExec(Process& process, bool lost_privileges) {
  const pid_t pid = process.pid;
  program_started_ = true;
  if (!lost_privileges) return;
  std::error_code error;
  const std::string path = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), error);
  if (!said_.insert(path).second) return;
  const std::array<pid_t, 2> pids = {pid, root_pid_};
  const UniqueFd fd = report::BorrowStandardError(standard_error_, pids);
  report::SayWithoutWaiting(
      fd.get(),
      fmt::format("zxctl: {} is setuid or setgid and runs without these privileges, because a traced program gets "
                  "none; start zxctl as root to keep them\n",
                  path));
}

}  // namespace zxctl
