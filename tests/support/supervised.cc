#include "support/supervised.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/temp_dir.h"

namespace zxctl::test {

namespace {

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value == '1';
}

}  // namespace

std::string ZxctlPath() {
  const char* other = std::getenv("ZX_TEST_ZXCTL");
  return other != nullptr ? other : ZX_TEST_BIN_DIR "/zxctl";
}

std::string TargetPath(const std::string& name) { return ZX_TEST_TARGETS_DIR "/" + name; }

std::string SourcePath(const std::string& name) { return ZX_TEST_SOURCE_DIR "/" + name; }

int Scaled(int full, int quick) { return IsSet("ZX_SOAK") ? full : quick; }

bool IsEmulated() { return IsSet("ZX_EMULATED"); }

Argv Supervised(const Argv& argv, const Argv& flags) {
  Argv words = {ZxctlPath(), "run"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.emplace_back("--");
  words.insert(words.end(), argv.begin(), argv.end());
  return words;
}

Twins RunTwins(const Argv& argv, const RunOptions& options, const Argv& flags) {
  return Twins{.bare = RunCommand(argv, options), .supervised = RunCommand(Supervised(argv, flags), options)};
}

void ExpectSame(const Twins& twins, const Normalizer& normalize) {
  const auto text = [&](const std::string& raw) { return normalize ? normalize(raw) : raw; };
  EXPECT_FALSE(twins.bare.timed_out) << "the unsupervised twin hangs";
  EXPECT_FALSE(twins.supervised.timed_out) << "the supervised twin hangs";
  EXPECT_EQ(twins.bare.status, twins.supervised.status)
      << "bare: " << DescribeStatus(twins.bare.status) << ", supervised: " << DescribeStatus(twins.supervised.status);
  EXPECT_EQ(LineDifferences(text(twins.bare.out), text(twins.supervised.out)), "") << "output (- bare, + supervised)";
  EXPECT_EQ(LineDifferences(text(twins.bare.err), text(twins.supervised.err)), "") << "errors (- bare, + supervised)";
}

Twins ExpectSameAsBare(const Argv& argv, const RunOptions& options, const Argv& flags, const Normalizer& normalize) {
  Twins twins = RunTwins(argv, options, flags);
  ExpectSame(twins, normalize);
  return twins;
}

}  // namespace zxctl::test
