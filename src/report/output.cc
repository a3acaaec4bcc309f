#include "report/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "report/fd_writer.h"
#include "report/new_file.h"
#include "report/render_json.h"
#include "report/render_text.h"
#include "report/text_safety.h"

namespace zxctl::report {
namespace {

constexpr mode_t kPrivate = 0600;
constexpr size_t kMaxNameInFile = 64;

bool IsSet(const char* variable) {
  const char* value = getenv(variable);
  return value != nullptr && *value != '\0';
}

bool IsDumb() {
  const char* terminal = getenv("TERM");
  return terminal != nullptr && strcmp(terminal, "dumb") == 0;
}

size_t Columns(int fd) {
  winsize size{};
  const bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

tl::unexpected<Status> FailAt(std::string_view doing, const std::string& path) {
  return FailErrno(fmt::format("{} {}", doing, TerminalSafe(path)));
}

tl::unexpected<Status> FailAt(std::string_view doing, const std::string& path, Status cause) {
  cause.what = fmt::format("{} {}", doing, TerminalSafe(path));
  return Fail(std::move(cause));
}

// What goes into files: a line of JSON, or the text without colour.
std::string RenderForFile(const OutputOptions& options, const Report& report) {
  return options.format == Format::kText ? RenderText(report, false) : RenderJson(report) + "\n";
}

// ---- --report-file ------------------------------------------------------------------------------------------------

// An append that can be taken back when the disk has no room for all of it. Reporters lock the file while they append, so
// that a size which is what it was plus our bytes means that nobody else's are behind them.
class ScopedAppend {
 public:
  explicit ScopedAppend(int fd) : fd_(fd), locked_(flock(fd, LOCK_EX | LOCK_NB) == 0), size_before_(Size()) {}
  void TakeBack(size_t written) const {
    if (!locked_ || size_before_ < 0 || Size() != size_before_ + static_cast<off_t>(written)) return;
    (void)!ftruncate(fd_, size_before_);
  }

 private:
  [[nodiscard]] off_t Size() const {
    struct stat info {};
    return fstat(fd_, &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
  }

  int fd_;
  bool locked_;
  off_t size_before_;
};

Result<void> AppendToFile(const std::string& path, const std::string& content, int64_t deadline_ns) {
  // O_NONBLOCK: a FIFO without a reader is an error, not a wait.
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const UniqueFd fd(open(path.c_str(), flags, kPrivate));
  if (!fd.valid()) return FailAt("the report file cannot be opened:", path);
  const ScopedAppend append(fd.get());
  size_t written = 0;
  Result<void> result = WriteAll(fd.get(), content, deadline_ns, &written);
  if (result) return {};
  append.TakeBack(written);
  return FailAt("the report could not be appended to", path, std::move(result.error()));
}

// ---- --report-dir -------------------------------------------------------------------------------------------------

// "server.4711.20240131T120000Z", from the RFC 3339 time without its punctuation and fraction.
std::string FileStem(const Report& report) {
  std::string time;
  for (const char c : report.time.substr(0, report.time.find('.'))) {
    if (c != '-' && c != ':') time += c;
  }
  if (!time.empty() && time.back() != 'Z' && report.time.ends_with('Z')) time += 'Z';
  return fmt::format("{}.{}.{}", FileNameSafe(report.process.name, kMaxNameInFile), report.process.pid,
                     FileNameSafe(time, kMaxNameInFile));
}

Result<void> WriteToDirectory(const OutputOptions& options, const Report& report, const std::string& content,
                              int64_t deadline_ns) {
  const std::string stem = FileStem(report);
  // A dot: whoever lists the directory passes over it.
  Result<NewFile> file = NewFile::Create(options.report_dir, ".", stem, ".partial");
  if (!file) return Fail(std::move(file.error()));
  Result<void> written = WriteAll(file->fd(), content, deadline_ns);
  if (!written) {
    return FailAt("the report was not written (the partial file is removed) in", options.report_dir,
                  std::move(written.error()));
  }
  const Result<std::string> path = file->Publish(stem, options.format == Format::kText ? ".txt" : ".json");
  if (!path) return Fail(path.error());
  return {};
}

// A file that does not take its bytes leaves half of the time for standard error.
int64_t FileDeadline(int64_t deadline_ns) {
  if (deadline_ns == kNever) return kNever;
  const int64_t now = MonotonicNs();
  return now + std::max<int64_t>(deadline_ns - now, 0) / 2;
}

std::vector<Status> DeliverToFiles(const OutputOptions& options, const Report& report) {
  std::vector<Status> failures;
  if (options.report_file.empty() && options.report_dir.empty()) return failures;
  const std::string content = RenderForFile(options, report);
  const int64_t deadline_ns = FileDeadline(options.deadline_ns);
  if (!options.report_file.empty()) {
    const Result<void> result = AppendToFile(options.report_file, content, deadline_ns);
    if (!result) failures.push_back(result.error());
  }
  if (!options.report_dir.empty()) {
    const Result<void> result = WriteToDirectory(options, report, content, deadline_ns);
    if (!result) failures.push_back(result.error());
  }
  return failures;
}

// ---- standard error -----------------------------------------------------------------------------------------------

// What went wrong before, as lines of their own; a JSON reader of standard error finds them in the report's notes.
std::string RenderForStderr(const OutputOptions& options, Report report, const std::vector<Status>& failures) {
  for (const Status& failure : failures) report.notes.limits.push_back(failure.ToString());
  switch (options.format) {
    case Format::kText:
      // The program's own last line may lack its newline.
      return "\n" + RenderText(report, WantsColor(options.color, options.stderr_fd), Columns(options.stderr_fd));
    case Format::kJson:
      return RenderJson(report) + "\n";
    case Format::kNone:
      break;
  }
  std::string lines;
  for (const Status& failure : failures) lines += fmt::format("{}{}\n", kTextPrefix, failure.ToString());
  return lines;
}

}  // namespace

bool WantsColor(ColorMode mode, int fd) {
  switch (mode) {
    case ColorMode::kAlways:
      return true;
    case ColorMode::kNever:
      return false;
    case ColorMode::kAuto:
      return isatty(fd) == 1 && !IsSet("NO_COLOR") && !IsDumb();
  }
  return false;
}

Delivery Deliver(const OutputOptions& options, const Report& report) {
  const ScopedWriteSignals quiet;
  Delivery delivery{.failures = DeliverToFiles(options, report)};
  const std::string text = RenderForStderr(options, report, delivery.failures);
  const Result<void> result = WriteAll(options.stderr_fd, text, options.deadline_ns);
  delivery.told = result.has_value();
  if (!result) delivery.failures.push_back(result.error());
  return delivery;
}

}  // namespace zxctl::report
