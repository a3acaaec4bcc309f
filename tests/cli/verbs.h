// zxctl's verbs for processes that run, and what a test wants to know of such a process afterwards.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <string>
#include <vector>

#include "supervisor/proc_facts.h"
#include "support/child_process.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {

inline constexpr uid_t kNobody = 65534;

inline Argv ZxctlWords(Argv words) {
  words.insert(words.begin(), ZxctlPath());
  return words;
}

inline Outcome Zxctl(const Argv& words, const RunOptions& options = {}) {
  return RunCommand(ZxctlWords(words), options);
}

inline void ExpectDone(const Outcome& outcome) {
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.err;
  EXPECT_EQ(outcome.err, "");
}

// One line on standard error, which holds every one of `parts`, and nothing on standard output.
inline void ExpectRefused(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(DescribeStatus(outcome.status), "exit " + std::to_string(code)) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(SplitLines(outcome.err).size(), 1U) << outcome.err;
  EXPECT_EQ(outcome.err.find("zxctl: "), 0U) << outcome.err;
  for (const std::string& part : parts) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << "no '" << part << "' in: " << outcome.err;
  }
}

inline bool IsTracedOrStopped(pid_t tid) { return TracerOf(tid) != 0 || StateOf(tid) == 't' || StateOf(tid) == 'T'; }

// Nobody traces any thread of it, and none is stopped: at once, when zxctl has ended by itself.
inline bool IsFree(pid_t pid) {
  const std::vector<pid_t> tids = ReadThreadIds(pid);
  return std::none_of(tids.begin(), tids.end(), &IsTracedOrStopped);
}

}  // namespace zxctl::test
