// A program whose file has been damaged since it started costs its report the names, nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "base/unique_fd.h"
#include "support/crash_capture.h"
#include "support/crash_expect.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

// What a report may take where the preset is not slow, and where it is.
constexpr int64_t kBudgetNs = 4'000'000'000 * ZX_TIMEOUT_FACTOR;

uint32_t Seeds() { return IsEmulated() ? 20 : 200; }

// Overwrites bytes of the sections that only the report reads. The first pages and the code are what the program runs on.
void Damage(const std::string& path, uint32_t seed) {
  std::mt19937 random(seed);
  const auto size = static_cast<off_t>(std::filesystem::file_size(path));
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  const off_t first = size / 3;
  const auto count = 1 + random() % 64;
  for (uint32_t i = 0; i < count; ++i) {
    const off_t at = first + static_cast<off_t>(random() % static_cast<uint32_t>(size - first));
    const auto byte = static_cast<uint8_t>(random());
    ASSERT_EQ(pwrite(fd.get(), &byte, 1, at), 1);
  }
  if (seed % 4 != 0) return;
  ASSERT_EQ(ftruncate(fd.get(), first + static_cast<off_t>(random() % static_cast<uint32_t>(size - first))), 0);
}

// A writable copy beside the running file: the kernel lets nobody write to a file that runs, so the running one is replaced by
// a damaged file of the same build-id.
void ReplaceByDamaged(const TempDir& dir, const std::string& program, uint32_t seed) {
  const std::string copy = dir.Path("copy");
  std::filesystem::copy_file(program, copy);
  Damage(copy, seed);
  std::filesystem::rename(copy, program);
}

TEST(ReportHostile, DamagedFilesNeverHangOrCrashTheReport) {
  uint32_t named = 0;
  for (uint32_t seed = 1; seed <= Seeds(); ++seed) {
    const TempDir dir;
    const std::string program = dir.Path("target_fault");
    std::filesystem::copy_file(std::string(ZX_TEST_TARGETS_DIR) + "/target_fault", program);
    const Captured captured =
        CaptureCrash({program, "after_go"},
                     {.budget_ns = kBudgetNs, .while_waiting = [&] { ReplaceByDamaged(dir, program, seed); }});
    ASSERT_EQ(captured.reporter_status, 0) << "seed " << seed << ": " << captured.output;
    ASSERT_TRUE(captured.report.has_value()) << "seed " << seed << ": " << captured.output;
    EXPECT_EQ(captured.report->exception.address_meaning, "null plus 0x10") << "seed " << seed;
    EXPECT_GE(captured.report->thread.frames.size(), 4u) << "seed " << seed;
    named += FindFrame(captured.report->thread, "null_write") != nullptr ? 1 : 0;
  }
  // The damage was in places that matter, and it was not everywhere.
  EXPECT_GT(named, 0u);
  RecordProperty("named", static_cast<int>(named));
}

// The program's own memory lies too: ELF headers, notes, unwind tables.
TEST(ReportHostile, ScribbledHeadersInMemoryNeverHangOrCrashTheReport) {
  for (uint32_t seed = 1; seed <= Seeds(); ++seed) {
    const Captured captured = CaptureCrash(
        {std::string(ZX_TEST_TARGETS_DIR) + "/target_fault_scribble", std::to_string(seed)}, {.budget_ns = kBudgetNs});
    ASSERT_EQ(captured.reporter_status, 0) << "seed " << seed << ": " << captured.output;
    ASSERT_TRUE(captured.report.has_value()) << "seed " << seed << ": " << captured.output;
    EXPECT_EQ(captured.report->exception.address, 0u) << "seed " << seed;
    EXPECT_GE(captured.report->thread.frames.size(), 1u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace zxctl::test
