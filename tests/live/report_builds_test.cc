// The same crash in programs that were built, stripped or deleted in different ways.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "machine_faults.h"
#include "support/crash_capture.h"
#include "support/crash_expect.h"
#include "support/programs32.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

using report::Report;
using report::Trust;
using ::testing::HasSubstr;

std::string Target(const std::string& name) { return std::string(ZX_TEST_TARGETS_DIR) + "/" + name; }

Report ReportOf(const std::string& program, const std::string& kind = "null_write",
                const CaptureOptions& options = {}) {
  const Captured captured = CaptureCrash({program, kind}, options);
  EXPECT_EQ(captured.reporter_status, 0);
  EXPECT_TRUE(captured.report.has_value()) << captured.output;
  return captured.report.value_or(Report{});
}

const std::vector<std::string> kChain = {"null_write", "middle", "outer", "main"};

// A copy of a target in a directory of its own.
std::string Copy(const TempDir& dir, const std::string& name) {
  std::filesystem::copy_file(Target(name), dir.Path(name));
  return dir.Path(name);
}

bool AllTrusted(const Report& report) {
  return std::none_of(report.thread.frames.begin(), report.thread.frames.end(), [](const report::Frame& frame) {
    return frame.trust == Trust::kScan || frame.trust == Trust::kFramePointer;
  });
}

std::vector<const char*> Builds32() {
  if (!kHasPrograms32) return {};
  return {"target_fault_32"};
}

class EveryBuild : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryBuild, HasNamesLinesAndTrustedFrames) {
  const Report report = ReportOf(Target(GetParam()));
  EXPECT_TRUE(InOrder(report.thread, kChain)) << ::testing::PrintToString(Functions(report.thread));
  EXPECT_TRUE(AllTrusted(report));
  const report::Frame* frame = FindFrame(report.thread, "null_write");
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->line, MarkedLine(ZX_TEST_CRASH_SOURCE, "null_write"));
}

INSTANTIATE_TEST_SUITE_P(Builds, EveryBuild,
                         ::testing::Values("target_fault", "target_fault_static", "target_fault_static_pie",
                                           "target_fault_nopie", "target_fault_debug_frame"));

INSTANTIATE_TEST_SUITE_P(Builds32, EveryBuild, ::testing::ValuesIn(Builds32()));

class EveryRelativeBuild : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryRelativeBuild, HasAbsoluteFilesAndTheSource) {
  const Report report = ReportOf(Target(GetParam()), "inlined");
  for (const char* name : {"innermost", "between", "inlined"}) {
    const report::Frame* frame = FindFrame(report.thread, name);
    ASSERT_NE(frame, nullptr) << name;
    EXPECT_EQ(frame->file, ZX_TEST_CRASH_SOURCE) << name;
  }
  ASSERT_TRUE(report.source.has_value());
  EXPECT_EQ(report.source->file, ZX_TEST_CRASH_SOURCE);
}

INSTANTIATE_TEST_SUITE_P(Builds, EveryRelativeBuild,
                         ::testing::Values("target_fault_relative_dwarf4", "target_fault_relative_dwarf5"));

TEST(ReportBuilds, StrippedProgramHasModuleOffsetsThatAddr2lineKnows) {
  const Report plain = ReportOf(Target("target_fault"));
  const Report stripped = ReportOf(Target("target_fault_stripped"));
  ASSERT_GE(stripped.thread.frames.size(), 4u);
  EXPECT_TRUE(AllTrusted(stripped));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stripped.thread.frames[i].module_offset, plain.thread.frames[i].module_offset);
    EXPECT_THAT(stripped.thread.frames[i].module, HasSubstr("target_fault_stripped"));
  }
}

TEST(ReportBuilds, FramePointersAreFollowedWithoutUnwindInformation) {
  const Report report = ReportOf(Target("target_fault_frame_pointer"));
  EXPECT_TRUE(InOrder(report.thread, {"null_write", "outer", "main"}));
  EXPECT_EQ(FindFrame(report.thread, "main")->trust, Trust::kFramePointer);
}

TEST(ReportBuilds, StackIsScannedWithoutFramePointers) {
  if (kCodeKeepsFramePointers) GTEST_SKIP() << "the C library's frame pointers lead past functions that keep none";
  const Report report = ReportOf(Target("target_fault_no_frames"));
  ASSERT_TRUE(InOrder(report.thread, kChain)) << ::testing::PrintToString(Functions(report.thread));
  EXPECT_EQ(FindFrame(report.thread, "middle")->trust, kLeavesReturnByLink ? Trust::kFramePointer : Trust::kScan);
  EXPECT_EQ(FindFrame(report.thread, "outer")->trust, Trust::kScan);
}

TEST(ReportBuilds, ThirtyTwoBitRegistersAndOperands) {
  ZX_NEEDS_PROGRAMS32();
  const Report report = ReportOf(Target("target_fault_32"));
  EXPECT_EQ(report.thread.registers.front().name, "eax");
  EXPECT_THAT(report.exception.explanation, HasSubstr("wrote 4 bytes to 0x8: eax is 0"));
}

TEST(ReportBuilds, ThirtyTwoBitSignalFrame) {
  ZX_NEEDS_PROGRAMS32();
  const Report report = ReportOf(Target("target_fault_32"), "in_handler");
  EXPECT_TRUE(InOrder(report.thread, {"null_write", "handler", "in_handler", "middle", "outer", "main"}))
      << ::testing::PrintToString(Functions(report.thread));
}

TEST(ReportBuilds, ThirtyTwoBitVdsoIsUnwoundByItsOwnInformation) {
  ZX_NEEDS_PROGRAMS32();
  const Report report = ReportOf(Target("target_fault_32"), "do_abort");
  EXPECT_EQ(report.thread.frames.front().module, "[vdso]");
  EXPECT_TRUE(AllTrusted(report));
  EXPECT_THAT(report.exception.explanation, HasSubstr("called abort() in do_abort"));
}

TEST(ReportBuilds, ThirtyTwoBitAllocatorsLastWordsTellTheReason) {
  ZX_NEEDS_PROGRAMS32();
  const Report report = ReportOf(Target("target_fault_32"), "bad_free");
  EXPECT_THAT(report.exception.explanation, HasSubstr("the allocator found its memory corrupted in bad_free"));
  EXPECT_TRUE(InOrder(report.thread, {"free", "bad_free", "middle", "outer", "main"}))
      << ::testing::PrintToString(Functions(report.thread));
}

TEST(ReportBuilds, DeletedProgramKeepsItsNames) {
  const TempDir dir;
  const std::string program = Copy(dir, "target_fault");
  const Report report = ReportOf(program, "after_go", {.while_waiting = [&] { std::filesystem::remove(program); }});
  EXPECT_TRUE(InOrder(report.thread, kChain)) << ::testing::PrintToString(Functions(report.thread));
}

TEST(ReportBuilds, ReplacedProgramGivesNoNamesOfTheNewOne) {
  const TempDir dir;
  const std::string program = Copy(dir, "target_fault");
  const auto replace = [&] {
    std::filesystem::remove(program);
    std::filesystem::copy_file(Target("target_fault_cxx"), program);
  };
  const Report report = ReportOf(program, "after_go", {.while_waiting = replace});
  EXPECT_EQ(FindFrame(report.thread, "shop::Run(std::vector<shop::Order, std::allocator<shop::Order> > const&)"),
            nullptr);
  EXPECT_TRUE(InOrder(report.thread, kChain)) << ::testing::PrintToString(Functions(report.thread));
}

TEST(ReportBuilds, SeparateDebugFileIsFoundByBuildId) {
  const TempDir dir;
  const std::string program = Copy(dir, "target_fault");
  const std::string id = ReportOf(program).thread.frames.front().build_id;
  ASSERT_GT(id.size(), 2u);
  const std::string debug_dir = dir.Path("debug/.build-id/" + id.substr(0, 2));
  std::filesystem::create_directories(debug_dir);
  const std::string debug_file = fmt::format("{}/{}.debug", debug_dir, id.substr(2));
  ASSERT_EQ(RunCommand({"objcopy", "--only-keep-debug", program, debug_file}).status, 0);
  ASSERT_EQ(RunCommand({"strip", "-s", program}).status, 0);
  EXPECT_EQ(FindFrame(ReportOf(program).thread, "null_write"), nullptr);
  const Report report = ReportOf(program, "null_write", {.reporter_env = {"ZXCTL_DEBUG_PATH=" + dir.Path("debug")}});
  const report::Frame* frame = FindFrame(report.thread, "null_write");
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->line, MarkedLine(ZX_TEST_CRASH_SOURCE, "null_write"));
}

TEST(ReportBuilds, MiniDebugInfoGivesNames) {
  const TempDir dir;
  const std::string program = Copy(dir, "target_fault");
  const std::string mini = dir.Path("mini");
  ASSERT_EQ(RunCommand({"objcopy", "-S", "--keep-symbol=null_write", "--keep-symbol=middle",
                        "--remove-section=.comment", program, mini})
                .status,
            0);
  ASSERT_EQ(RunCommand({"xz", "-k", mini}).status, 0);
  ASSERT_EQ(RunCommand({"strip", "-s", program}).status, 0);
  ASSERT_EQ(RunCommand({"objcopy", "--add-section", ".gnu_debugdata=" + mini + ".xz", program}).status, 0);
  EXPECT_TRUE(InOrder(ReportOf(program).thread, {"null_write", "middle"}));
}

}  // namespace
}  // namespace zxctl::test
