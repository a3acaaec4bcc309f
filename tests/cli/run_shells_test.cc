// Shells under `zxctl run`, and `zxctl run` under a shell, with real job control.
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/temp_dir.h"
#include "support/twin_dirs.h"

namespace zxctl::test {
namespace {

constexpr const char* kPrompt = "ready$";

// A tmux session of its own server. What is on its screen is compared; keys are typed when the screen shows that the
// program is ready for them.
class Tmux {
 public:
  explicit Tmux(const std::string& command)
      : name_("zxctl-test-" + std::to_string(getpid()) + "-" + std::to_string(next_++)) {
    EXPECT_EQ(Call({"new-session", "-d", "-x", "100", "-y", "50", command}).status, 0);
  }
  Tmux(const Tmux&) = delete;
  Tmux& operator=(const Tmux&) = delete;
  ~Tmux() { (void)Call({"kill-server"}); }

  void Keys(const std::string& keys) { (void)Call({"send-keys", "-t", ":", keys}); }
  // A command line, once the shell stands at its prompt: keys typed earlier would be echoed where they do not belong.
  void Command(const std::string& line) {
    ExpectPrompt();
    Type(line);
  }
  void ExpectPrompt() {
    EXPECT_TRUE(WaitUntil([&] { return LastLine() == kPrompt; })) << Screen();
  }
  void Type(const std::string& line) {
    (void)Call({"send-keys", "-t", ":", "-l", line});
    Keys("Enter");
  }
  [[nodiscard]] std::string Screen() { return Call({"capture-pane", "-p", "-t", ":"}).out; }
  void Expect(const std::string& text) {
    EXPECT_TRUE(WaitUntil([&] { return Screen().find(text) != std::string::npos; })) << "no '" << text << "' in:\n"
                                                                                     << Screen();
  }
  // The terminal's foreground process has this name.
  void ExpectForeground(const std::string& program) {
    const auto current = [&] { return Call({"display-message", "-p", "-t", ":", "#{pane_current_command}"}).out; };
    EXPECT_TRUE(WaitUntil([&] { return current() == program + "\n"; })) << current() << Screen();
  }
  [[nodiscard]] bool Ended() { return Call({"has-session"}).status != 0; }

 private:
  std::string LastLine() {
    std::string last;
    for (const std::string& line : SplitLines(Screen())) last = line.empty() ? last : line;
    return last;
  }
  Outcome Call(const Argv& words) {
    Argv argv = {"tmux", "-L", name_, "-f", "/dev/null"};
    argv.insert(argv.end(), words.begin(), words.end());
    return RunCommand(argv);
  }

  static inline int next_ = 0;
  std::string name_;
};

std::string Quoted(const Argv& argv) {
  std::string line;
  for (const std::string& word : argv) line += (line.empty() ? "'" : " '") + word + "'";
  return line;
}

// Interrupts, stops and resumes jobs of an interactive shell; returns the screen and the shell's exit status.
std::string JobControlSession(const Argv& shell) {
  const TempDir dir;
  Tmux tmux("PS1='ready$ ' " + Quoted(shell) + "; echo shell ended with $? > " + dir.Path("status") + "; cat");
  tmux.Command("sleep 1000");
  tmux.ExpectForeground("sleep");
  tmux.Keys("C-c");
  tmux.Command("echo interrupted: $?");
  tmux.Expect("interrupted: 130");
  tmux.Command("sleep 1001");
  tmux.ExpectForeground("sleep");
  tmux.Keys("C-z");
  tmux.Expect("Stopped");
  tmux.Command("jobs; bg; jobs; echo in the background");
  tmux.Expect("\nin the background");
  tmux.Command("fg");
  tmux.ExpectForeground("sleep");
  tmux.Keys("C-z");
  tmux.Command("echo stopped again: $?");
  tmux.Expect("stopped again: 148");
  tmux.Command("fg");
  tmux.ExpectForeground("sleep");
  tmux.Keys("C-c");
  tmux.Command("echo killed: $?");
  tmux.Expect("killed: 130");
  tmux.Command("echo through a pipe | cat | cat; (exit 3); echo subshell: $?");
  tmux.Expect("\nsubshell: 3");
  tmux.ExpectPrompt();
  const std::string screen = tmux.Screen();
  tmux.Command("exit 5");
  EXPECT_TRUE(WaitUntil([&] { return !FileText(dir.Path("status")).empty(); }));
  return screen + FileText(dir.Path("status"));
}

TEST(RunBash, InteractiveJobControlUnderTmuxIsTheSame) {
  if (!HasProgram("tmux")) GTEST_SKIP() << "tmux is not installed";
  const Argv shell = {"bash", "--norc", "--noprofile", "-i"};
  const std::string bare = JobControlSession(shell);
  const std::string supervised = JobControlSession(Supervised(shell));
  EXPECT_EQ(LineDifferences(bare, supervised), "") << bare << supervised;
  EXPECT_NE(supervised.find("shell ended with 5"), std::string::npos);
}

// The everyday use: a shell that is not supervised starts zxctl as its job.
TEST(RunUnderBash, SupervisedJobIsInterruptedStoppedAndResumedLikeAnyOther) {
  if (!HasProgram("tmux")) GTEST_SKIP() << "tmux is not installed";
  Tmux tmux("PS1='ready$ ' bash --norc --noprofile -i");
  tmux.Command(Quoted(Supervised({"cat"})));
  tmux.ExpectForeground("cat");
  tmux.Type("first line");
  tmux.Expect("first line\nfirst line");
  tmux.Keys("C-z");
  tmux.Expect("Stopped");
  tmux.Command("echo stopped: $?");
  tmux.Expect("stopped: 148");
  tmux.Command("fg");
  tmux.ExpectForeground("cat");
  tmux.Type("second line");
  tmux.Expect("second line\nsecond line");
  tmux.Keys("C-c");
  tmux.Command("echo interrupted: $?");
  tmux.Expect("interrupted: 130");
  tmux.Command(Quoted(Supervised({"sh", "-c", "kill -SEGV $$"}, {"--report=none"})) + "; echo died: $?");
  tmux.Expect("died: 139");
}

TEST(RunUnderBash, ReportStandsBeforeThePrompt) {
  if (!HasProgram("tmux")) GTEST_SKIP() << "tmux is not installed";
  Tmux tmux("PS1='ready$ ' bash --norc --noprofile -i");
  tmux.Command(Quoted(Supervised({TargetPath("target_end"), "fault"}, {"--color=never"})));
  tmux.Expect("end of the report");
  tmux.Expect("Segmentation fault");
  tmux.ExpectPrompt();
  const std::string screen = tmux.Screen();
  EXPECT_LT(screen.rfind("end of the report"), screen.rfind("Segmentation fault"));
  EXPECT_LT(screen.rfind("Segmentation fault"), screen.rfind(kPrompt));
}

class ScriptOf : public ::testing::TestWithParam<const char*> {};

TEST_P(ScriptOf, ShellRunsTheSame) {
  const std::string script =
      "trap 'echo got USR1' USR1; kill -USR1 $$; echo after\n"
      "for i in 1 2 3 4 5; do (exit $i) & wait $!; echo job $?; done\n"
      "sleep 1000 & kill $!; wait $! 2>/dev/null; echo killed $?\n"
      "seq 1 1000 | sort -rn | head -3; echo \"$(echo substituted)\"\n"
      "cat <<END | tr a-z A-Z\nhere document\nEND\n"
      "mkdir d; cd d; echo data > file; ls; cd ..; test -e nowhere; echo $?\n"
      "nosuchcommand 2>/dev/null; echo $?; sh -c 'kill -9 $$'; echo $?\n"
      "trap 'echo leaving' EXIT; exit 6\n";
  TwinDirs dirs;
  dirs.SetUp([&](const TempDir& dir) { dir.Write("script", script); });
  const auto no_pids = [](const std::string& text) { return Replaced(text, " +[0-9]+ Killed", " Killed"); };
  const Twins twins = dirs.ExpectSame({GetParam(), "script"}, {}, no_pids);
  EXPECT_EQ(DescribeStatus(twins.supervised.status), "exit 6") << twins.supervised.err;
  dirs.ExpectSameFiles();
}

INSTANTIATE_TEST_SUITE_P(Shells, ScriptOf, ::testing::Values("bash", "dash"));

}  // namespace
}  // namespace zxctl::test
