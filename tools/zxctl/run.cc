#include "run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/proc_file.h"
#include "base/unique_fd.h"
#include "cli/complain.h"
#include "launch.h"
#include "program.h"
#include "supervisor/diagnose.h"

namespace zxctl {
namespace {

std::string ErrnoText(int error) { return fmt::format("{} ({})", strerrordesc_np(error), strerrorname_np(error)); }

// A report that cannot be written later is told now, while somebody is there to read it.
bool CheckReportFile(const std::string& path) {
  if (path.empty()) return true;
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666));
  if (fd.valid()) return true;
  Complain(fmt::format("cannot write the report file {}: {}; name another with --report-file", path, ErrnoText(errno)));
  return false;
}

bool CheckFolder(const std::string& path, const char* option) {
  if (path.empty()) return true;
  struct stat info {};
  const bool there = stat(path.c_str(), &info) == 0;
  std::string problem;
  if (there && !S_ISDIR(info.st_mode)) {
    problem = "it is not a directory";
  } else if (!there || access(path.c_str(), W_OK | X_OK) != 0) {
    problem = ErrnoText(errno);
  }
  if (problem.empty()) return true;
  Complain(
      fmt::format("cannot write into {}: {}; name an existing, writable directory with {}", path, problem, option));
  return false;
}

bool CheckOutputs(const RunOptions& options) {
  const std::string core_dir = options.core && options.core_dir.empty() ? "." : options.core_dir;
  return CheckReportFile(options.report_file) && CheckFolder(options.report_dir, "--report-dir") &&
         CheckFolder(core_dir, "--core=DIR");
}

// The error, and why it is so where that can be found out.
std::string DescribeRefusal(const Status& status) {
  std::string text = status.ToString();
  if (status.zx != ZX_ERR_ACCESS_DENIED) return text;
  if (const pid_t tracer = static_cast<pid_t>(ReadStatusNumber(getpid(), "TracerPid").value_or(0)); tracer != 0) {
    const auto name = ReadFile(fmt::format("/proc/{}/comm", tracer), 64);
    return fmt::format(
        "{}: process {} ({}) traces this one already, and Linux allows one tracer; run zxctl outside of it", text,
        tracer, name ? name->substr(0, name->find('\n')) : "?");
  }
  const std::string reason = DiagnoseLaunch().Reason();
  return reason.empty() ? text + "; `zxctl doctor` looks for the cause" : text + ": " + reason;
}

}  // namespace

int Run(const RunOptions& options) {
  if (!CheckOutputs(options)) return kExitFailure;
  ProgramError error;
  const std::string path = FindProgram(options.program.front(), error);
  if (path.empty()) {
    Complain(error.message);
    return error.exit_status;
  }
  if (const auto launched = LaunchTracer(options); !launched) {
    Complain(DescribeRefusal(launched.error()));
    return kExitFailure;
  }
  error = ExecuteProgram(path, options.program);
  Complain(error.message);
  return error.exit_status;
}

}  // namespace zxctl
