// Programs that tests start: their input, output, terminal, status and usage. Nothing here asserts, and nothing here
// uses threads. Timeouts are safety nets: a program that is still there at its timeout gets SIGKILL.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace zxctl::test {

using Argv = std::vector<std::string>;

struct RunOptions {
  std::string stdin_text = {};                // written to standard input, which is then closed
  bool keep_stdin_open = false;               // standard input stays open until CloseStdin() or Finish()
  bool pty = false;                           // a new session with a terminal of its own as 0, 1 and 2
  bool wait_for_eof = true;                   // Finish() also waits until nobody holds the outputs any more
  bool read_stderr = true;                    // false: the pipe is left unread until Finish()
  Argv env = {};                              // "NAME=value", on top of the test's environment
  std::string cwd = {};                       // empty: the test's
  int timeout_s = 90;                         // the safety net
  std::vector<std::pair<int, int>> fds = {};  // descriptors of the test and their numbers in the program
  std::vector<int> closed_fds = {};           // descriptors that the program starts without
  std::optional<uid_t> uid = {};              // runs as this user, with its number as group and no other groups
  std::function<void()> before_exec = {};     // runs in the child just before exec; must be async-signal-safe
};

struct Outcome {
  std::string out;  // with a terminal: everything that was printed on it
  std::string err;
  size_t err_size_at_exit = 0;  // bytes of `err` that were in the pipe when the status could be collected
  int status = 0;               // as waitpid gives it
  rusage usage{};
  bool timed_out = false;
};

// "exit 3", "signal 11 (core)", …; for messages and comparisons.
[[nodiscard]] std::string DescribeStatus(int status);

// A running program. The destructor kills it if it is still there.
class ChildProcess {
 public:
  explicit ChildProcess(Argv argv, RunOptions options = {});
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& out() const { return out_; }
  [[nodiscard]] const std::string& err() const { return err_; }

  // Writes to standard input or types on the terminal.
  void Send(std::string_view text);
  void CloseStdin();
  void Signal(int signo) const;

  // Reads until `text` has appeared on the output after what the last Expect() consumed. False at the end of the output or
  // after `timeout_s`.
  [[nodiscard]] bool Expect(std::string_view text, int timeout_s = 60);
  // The next line of output without its newline; nothing at the end of the output.
  [[nodiscard]] std::optional<std::string> ReadLine(int timeout_s = 60);
  // The same for standard error, without consuming.
  [[nodiscard]] bool ExpectErr(std::string_view text, int timeout_s = 60);

  // Reads outputs until the program has ended (and they have, see wait_for_eof), and collects its status. Once.
  Outcome Finish();

 private:
  void StartChild(int in, int out, int err);
  [[noreturn]] void RunInChild(int in, int out, int err);
  bool PumpUntil(const std::function<bool()>& done, int timeout_s);
  void PumpOnce(int timeout_ms, bool with_exit);
  bool ReadSome(UniqueFd& fd, std::string& text);
  void WritePending();
  bool Reap(int timeout_s);

  Argv argv_;
  RunOptions options_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  UniqueFd pidfd_;
  UniqueFd in_;
  UniqueFd out_fd_;
  UniqueFd err_fd_;
  std::string pending_input_;
  std::string out_;
  std::string err_;
  size_t cursor_ = 0;
  Outcome outcome_;
};

// Starts `argv`, waits for its end.
[[nodiscard]] Outcome RunCommand(const Argv& argv, const RunOptions& options = {});

}  // namespace zxctl::test
