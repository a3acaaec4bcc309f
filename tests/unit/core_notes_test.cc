#include "report/core_notes.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/procfs.h>

#include <csignal>
#include <cstring>
#include <map>
#include <optional>

#include "machine_registers.h"

namespace zxctl::report {
namespace {

struct Note {
  uint32_t type;
  std::string owner;
  std::string data;
};

std::vector<Note> Split(const std::vector<std::byte>& bytes) {
  std::vector<Note> notes;
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  for (size_t at = 0; at < bytes.size();) {
    Elf64_Nhdr header;
    memcpy(&header, text + at, sizeof header);
    at += sizeof header;
    const std::string owner(text + at, header.n_namesz - 1);
    at += (header.n_namesz + 3) / 4 * 4;
    notes.push_back({header.n_type, owner, std::string(text + at, header.n_descsz)});
    at += (header.n_descsz + 3) / 4 * 4;
  }
  return notes;
}

template <typename T>
T As(const Note& note) {
  T value{};
  EXPECT_EQ(note.data.size(), sizeof value);
  memcpy(static_cast<void*>(&value), note.data.data(), std::min(sizeof value, note.data.size()));
  return value;
}

CoreProcess SampleProcess() {
  CoreProcess process =
      ParseCoreProcess("4711 (a (b) c) S 4700 4710 4600 34816 4711 4194304 1 2 3 4 5 6 7 8 20 5 8 0 9",
                       "Name:\ta\nUid:\t1000\t1000\t1000\t1000\nGid:\t100\t100\t100\t100\n");
  process.command_line = std::string("prog\0with words\0", 16);
  process.auxv = std::string(32, 'v');
  return process;
}

class CoreNotesTest : public ::testing::Test {
 protected:
  CoreNotesTest() {
    request_.crash.pid = 4711;
    request_.crash.signal = {.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 0x10};
    records_ = {
        {.tid = 4712, .has_registers = 1}, {.tid = 4711, .has_registers = 1}, {.tid = 4713, .has_registers = 0}};
    test::SetPc(records_[0].registers, 0x1234);
    request_.threads = records_;
  }
  [[nodiscard]] std::vector<Note> Notes() const {
    CoreRegion file;
    file.map = {.start = 0x1000, .end = 0x2000, .offset = 0x3000, .inode = 1, .path = "/a"};
    CoreRegion gone = file;
    gone.map.deleted = true;
    const std::vector<CoreRegion> regions = {file, CoreRegion{}, gone};
    return Split(BuildCoreNotes(request_, SampleProcess(), regions, 4096));
  }
  [[nodiscard]] std::vector<Note> Of(uint32_t type) const {
    std::vector<Note> found;
    for (const Note& note : Notes()) {
      if (note.type == type) found.push_back(note);
    }
    return found;
  }

  CoreRequest request_;
  std::vector<ring::ThreadRecord> records_;
};

TEST_F(CoreNotesTest, EachThreadWithRegistersHasAStatusTheFaultingFirst) {
  const std::vector<Note> statuses = Of(NT_PRSTATUS);
  ASSERT_EQ(statuses.size(), 2u);
  const auto first = As<elf_prstatus>(statuses[0]);
  EXPECT_EQ(first.pr_pid, 4712);
  EXPECT_EQ(first.pr_ppid, 4700);
  EXPECT_EQ(first.pr_cursig, SIGSEGV);
  arch::Registers registers{};
  memcpy(&registers, first.pr_reg, arch::kCoreRegisterBytes);
  EXPECT_EQ(arch::Pc(registers), 0x1234u);
  EXPECT_EQ(As<elf_prstatus>(statuses[1]).pr_pid, 4711);
}

TEST_F(CoreNotesTest, FloatingPointIsThereOnlyIfItIsKnown) {
  EXPECT_TRUE(Of(NT_FPREGSET).empty());
  EXPECT_EQ(As<elf_prstatus>(Of(NT_PRSTATUS)[0]).pr_fpvalid, 0);
  const std::vector<RegisterSet> sets = {{4711, NT_FPREGSET, std::vector<std::byte>(512)},
                                         {4711, NT_X86_XSTATE, std::vector<std::byte>(832)}};
  request_.register_sets = sets;
  ASSERT_EQ(Of(NT_FPREGSET).size(), 1u);
  EXPECT_EQ(Of(NT_FPREGSET)[0].owner, "CORE");
  EXPECT_EQ(Of(NT_X86_XSTATE)[0].owner, "LINUX");
  EXPECT_EQ(As<elf_prstatus>(Of(NT_PRSTATUS)[0]).pr_fpvalid, 0);
  EXPECT_EQ(As<elf_prstatus>(Of(NT_PRSTATUS)[1]).pr_fpvalid, 1);
}

TEST_F(CoreNotesTest, TheProcessIsDescribed) {
  const auto info = As<elf_prpsinfo>(Of(NT_PRPSINFO).at(0));
  EXPECT_STREQ(info.pr_fname, "a (b) c");
  EXPECT_STREQ(info.pr_psargs, "prog with words");
  EXPECT_EQ(info.pr_pid, 4711);
  EXPECT_EQ(info.pr_ppid, 4700);
  EXPECT_EQ(info.pr_pgrp, 4710);
  EXPECT_EQ(info.pr_sid, 4600);
  EXPECT_EQ(info.pr_uid, 1000u);
  EXPECT_EQ(info.pr_gid, 100u);
  EXPECT_EQ(info.pr_sname, 'S');
  EXPECT_EQ(info.pr_nice, 5);
  EXPECT_EQ(info.pr_flag, 4194304u);
}

TEST_F(CoreNotesTest, TheSignalIsThereWithItsAddress) {
  const auto signal = As<siginfo_t>(Of(NT_SIGINFO).at(0));
  EXPECT_EQ(signal.si_signo, SIGSEGV);
  EXPECT_EQ(signal.si_code, SEGV_MAPERR);
  EXPECT_EQ(signal.si_addr, reinterpret_cast<void*>(0x10));
}

TEST_F(CoreNotesTest, ASignalThatSomebodySentSaysWho) {
  request_.crash.signal = {.signo = SIGABRT, .code = SI_TKILL, .pid = 12, .uid = 34};
  const auto signal = As<siginfo_t>(Of(NT_SIGINFO).at(0));
  EXPECT_EQ(signal.si_pid, 12);
  EXPECT_EQ(signal.si_uid, 34u);
}

TEST_F(CoreNotesTest, AHangHasNoSignal) {
  request_.crash.signal = {};
  EXPECT_TRUE(Of(NT_SIGINFO).empty());
  EXPECT_EQ(As<elf_prstatus>(Of(NT_PRSTATUS)[0]).pr_cursig, 0);
}

TEST_F(CoreNotesTest, MappedFilesAreListed) {
  const Note note = Of(NT_FILE).at(0);
  uint64_t numbers[8];
  ASSERT_GE(note.data.size(), sizeof numbers);
  memcpy(numbers, note.data.data(), sizeof numbers);
  EXPECT_EQ(numbers[0], 2u);
  EXPECT_EQ(numbers[1], 4096u);
  EXPECT_EQ(numbers[2], 0x1000u);
  EXPECT_EQ(numbers[3], 0x2000u);
  EXPECT_EQ(numbers[4], 3u);
  EXPECT_EQ(note.data.substr(sizeof numbers), std::string("/a\0/a (deleted)\0", 16));
}

TEST(ParseCoreProcess, SurvivesNonsense) {
  for (const char* stat : {"", "1", "1 (", "1 )(", "1 (x)", "1 (x) S", "1 (x) S a b c"}) {
    EXPECT_EQ(ParseCoreProcess(stat, "").group, 0) << stat;
  }
}

}  // namespace
}  // namespace zxctl::report
