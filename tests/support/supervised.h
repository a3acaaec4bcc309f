// Programs under `zxctl run`, and the twin rule: what a program does under supervision is what it does without.
#pragma once

#include <functional>
#include <string>

#include "support/child_process.h"

namespace zxctl::test {

// The programs under test. ZX_TEST_ZXCTL in the environment takes the place of zxctl.
[[nodiscard]] std::string ZxctlPath();
// A child program of the tests: "target_exit".
[[nodiscard]] std::string TargetPath(const std::string& name);
// A file of the source tree.
[[nodiscard]] std::string SourcePath(const std::string& name);
// The whole count with ZX_SOAK=1 in the environment, otherwise the short one.
[[nodiscard]] int Scaled(int full, int quick);

// Whether the processor is emulated (ZX_EMULATED=1 in the environment): what takes a second elsewhere takes a minute there.
[[nodiscard]] bool IsEmulated();

// zxctl run FLAGS -- argv
[[nodiscard]] Argv Supervised(const Argv& argv, const Argv& flags = {});

struct Twins {
  Outcome bare;
  Outcome supervised;
};

// Runs the program without and with zxctl, one after the other.
[[nodiscard]] Twins RunTwins(const Argv& argv, const RunOptions& options = {}, const Argv& flags = {});

using Normalizer = std::function<std::string(const std::string&)>;

// Both twins ended the same way and printed the same, after `normalize` has removed what varies by itself.
void ExpectSame(const Twins& twins, const Normalizer& normalize = {});
Twins ExpectSameAsBare(const Argv& argv, const RunOptions& options = {}, const Argv& flags = {},
                       const Normalizer& normalize = {});

}  // namespace zxctl::test
