#include "report/core_notes.h"

#include <elf.h>
#include <sys/procfs.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sstream>

#include "base/proc_file.h"
#include "report/core_notes32.h"

namespace zxctl::report {
namespace {

// As the kernel limits the note of the mapped files.
constexpr size_t kMaxFileNoteBytes = 4u << 20;

class NoteWriter {
 public:
  void Add(std::string_view owner, uint32_t type, std::span<const std::byte> data) {
    const Elf64_Nhdr header{.n_namesz = static_cast<Elf64_Word>(owner.size() + 1),
                            .n_descsz = static_cast<Elf64_Word>(data.size()),
                            .n_type = type};
    Append(std::as_bytes(std::span(&header, 1)));
    Append(std::as_bytes(std::span(owner)));
    notes_.push_back(std::byte{0});
    Pad();
    Append(data);
    Pad();
  }
  template <typename T>
  void AddStruct(uint32_t type, const T& value) {
    Add("CORE", type, std::as_bytes(std::span(&value, 1)));
  }
  std::vector<std::byte> Take() { return std::move(notes_); }

 private:
  void Append(std::span<const std::byte> bytes) { notes_.insert(notes_.end(), bytes.begin(), bytes.end()); }
  void Pad() { notes_.resize((notes_.size() + 3) / 4 * 4); }

  std::vector<std::byte> notes_;
};

// Copies text into a field of a C struct that ends with NUL.
template <size_t N>
void CopyText(char (&field)[N], std::string_view text) {
  const size_t length = std::min(text.size(), N - 1);
  memcpy(field, text.data(), length);
  field[length] = '\0';
}

bool HasSet(const CoreRequest& request, int32_t tid, uint32_t type) {
  return std::any_of(request.register_sets.begin(), request.register_sets.end(),
                     [=](const RegisterSet& set) { return set.tid == tid && set.note_type == type; });
}

elf_prstatus MakeStatus(const CoreRequest& request, const CoreProcess& process, const ring::ThreadRecord& thread) {
  elf_prstatus status{};
  status.pr_info.si_signo = request.crash.signal.signo;
  status.pr_cursig = static_cast<short>(request.crash.signal.signo);
  status.pr_pid = thread.tid;
  status.pr_ppid = process.parent_pid;
  status.pr_pgrp = process.group;
  status.pr_sid = process.session;
  static_assert(sizeof(status.pr_reg) == arch::kCoreRegisterBytes);
  memcpy(&status.pr_reg, &thread.registers, sizeof(status.pr_reg));
  status.pr_fpvalid = HasSet(request, thread.tid, NT_FPREGSET) ? 1 : 0;
  return status;
}

// The number by which a state's letter is known.
char StateNumber(char state) {
  const size_t number = std::string_view("RSDTZW").find(state);
  return number == std::string_view::npos ? '.' : static_cast<char>(number);
}

std::string CommandLineText(const CoreProcess& process) {
  std::string words = process.command_line;
  if (!words.empty() && words.back() == '\0') words.pop_back();
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words;
}

elf_prpsinfo MakeProcessInfo(const CoreRequest& request, const CoreProcess& process) {
  elf_prpsinfo info{};
  info.pr_sname = process.state;
  info.pr_zomb = process.state == 'Z' ? 1 : 0;
  info.pr_state = StateNumber(process.state);
  info.pr_nice = process.nice;
  info.pr_flag = process.flags;
  info.pr_uid = process.uid;
  info.pr_gid = process.gid;
  info.pr_pid = request.crash.pid;
  info.pr_ppid = process.parent_pid;
  info.pr_pgrp = process.group;
  info.pr_sid = process.session;
  CopyText(info.pr_fname, process.name);
  CopyText(info.pr_psargs, CommandLineText(process));
  return info;
}

ProcessInfo32 MakeProcessInfo32(const CoreRequest& request, const CoreProcess& process) {
  ProcessInfo32 info{.state = StateNumber(process.state),
                     .sname = process.state,
                     .zomb = process.state == 'Z' ? '\1' : '\0',
                     .nice = static_cast<char>(process.nice),
                     .flag = static_cast<uint32_t>(process.flags),
                     .uid = static_cast<uint16_t>(process.uid),
                     .gid = static_cast<uint16_t>(process.gid),
                     .pid = request.crash.pid,
                     .ppid = process.parent_pid,
                     .pgrp = process.group,
                     .sid = process.session};
  CopyText(info.fname, process.name);
  CopyText(info.psargs, CommandLineText(process));
  return info;
}

siginfo_t MakeSignal(const SignalRecord& signal) {
  siginfo_t info{};
  info.si_signo = signal.signo;
  info.si_code = signal.code;
  info.si_errno = signal.error;
  if (signal.code <= 0) {
    info.si_pid = signal.pid;
    info.si_uid = static_cast<uid_t>(signal.uid);
  } else if (signal.signo == SIGSYS) {
    info.si_call_addr = reinterpret_cast<void*>(signal.address);
    info.si_syscall = signal.syscall;
  } else {
    info.si_addr = reinterpret_cast<void*>(signal.address);
  }
  return info;
}

void AddRegisterSets(NoteWriter& notes, const CoreRequest& request, int32_t tid) {
  for (const RegisterSet& set : request.register_sets) {
    if (set.tid != tid) continue;
    notes.Add(set.note_type == NT_FPREGSET ? "CORE" : "LINUX", set.note_type, set.data);
  }
}

struct FileNote {
  std::vector<uint64_t> numbers;
  std::string names;

  [[nodiscard]] size_t Bytes() const { return numbers.size() * sizeof(uint64_t) + names.size(); }
  [[nodiscard]] std::vector<uint32_t> Numbers32() const { return {numbers.begin(), numbers.end()}; }
};

FileNote CollectFiles(std::span<const CoreRegion> regions, uint64_t page_bytes) {
  FileNote note{.numbers = {0, page_bytes}, .names = {}};
  for (const CoreRegion& region : regions) {
    const Mapping& map = region.map;
    if (!map.IsFile() || note.Bytes() + map.path.size() > kMaxFileNoteBytes) continue;
    ++note.numbers[0];
    note.numbers.insert(note.numbers.end(), {map.start, map.end, map.offset / page_bytes});
    note.names += map.path;
    if (map.deleted) note.names += " (deleted)";
    note.names += '\0';
  }
  return note;
}

void AddFiles(NoteWriter& notes, std::span<const CoreRegion> regions, uint64_t page_bytes, arch::Bits bits) {
  const FileNote note = CollectFiles(regions, page_bytes);
  if (note.numbers[0] == 0) return;
  const std::vector<uint32_t> narrow = note.Numbers32();
  const auto numbers =
      bits == arch::Bits::k64 ? std::as_bytes(std::span(note.numbers)) : std::as_bytes(std::span(narrow));
  const auto names = std::as_bytes(std::span(note.names));
  std::vector<std::byte> data(numbers.begin(), numbers.end());
  data.insert(data.end(), names.begin(), names.end());
  notes.Add("CORE", NT_FILE, data);
}

void AddStatus(NoteWriter& notes, const CoreRequest& request, const CoreProcess& process,
               const ring::ThreadRecord& thread, arch::Bits bits) {
  if (bits == arch::Bits::k64) return notes.AddStruct(NT_PRSTATUS, MakeStatus(request, process, thread));
  notes.AddStruct(NT_PRSTATUS, MakeStatus32(request, process, thread, HasSet(request, thread.tid, NT_FPREGSET)));
}

void AddProcess(NoteWriter& notes, const CoreRequest& request, const CoreProcess& process, arch::Bits bits) {
  const SignalRecord& signal = request.crash.signal;
  if (bits == arch::Bits::k64) {
    notes.AddStruct(NT_PRPSINFO, MakeProcessInfo(request, process));
    if (signal.signo != 0) notes.AddStruct(NT_SIGINFO, MakeSignal(signal));
  } else {
    notes.AddStruct(NT_PRPSINFO, MakeProcessInfo32(request, process));
    if (signal.signo != 0) notes.AddStruct(NT_SIGINFO, MakeSignal32(signal));
  }
  if (!process.auxv.empty()) notes.Add("CORE", NT_AUXV, std::as_bytes(std::span(process.auxv)));
}

uint32_t FirstNumber(const std::string& status, std::string_view field) {
  uint32_t number = 0;
  std::istringstream(std::string(StatusField(status, field).value_or(""))) >> number;
  return number;
}

}  // namespace

const ring::ThreadRecord* FirstWithRegisters(const CoreRequest& request) {
  const auto known = std::find_if(request.threads.begin(), request.threads.end(),
                                  [](const ring::ThreadRecord& thread) { return thread.has_registers != 0; });
  return known == request.threads.end() ? nullptr : &*known;
}

arch::Bits BitsOf(const CoreRequest& request) {
  const ring::ThreadRecord* known = FirstWithRegisters(request);
  return known == nullptr ? arch::Bits::k64 : arch::CodeBits(known->registers);
}

CoreProcess ParseCoreProcess(const std::string& stat, const std::string& status) {
  CoreProcess process;
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open != std::string::npos && close != std::string::npos && close > open) {
    process.name = stat.substr(open + 1, close - open - 1);
    std::istringstream fields(stat.substr(close + 1));
    int terminal = 0;
    int terminal_group = 0;
    fields >> process.state >> process.parent_pid >> process.group >> process.session >> terminal >> terminal_group >>
        process.flags;
    // minflt cminflt majflt cmajflt utime stime cutime cstime priority
    std::string skipped;
    for (int i = 0; i < 9; ++i) fields >> skipped;
    int nice = 0;
    fields >> nice;
    process.nice = static_cast<int8_t>(nice);
  }
  process.uid = FirstNumber(status, "Uid");
  process.gid = FirstNumber(status, "Gid");
  return process;
}

std::vector<std::byte> BuildCoreNotes(const CoreRequest& request, const CoreProcess& process,
                                      std::span<const CoreRegion> regions, uint64_t page_bytes) {
  const arch::Bits bits = BitsOf(request);
  NoteWriter notes;
  bool first = true;
  for (const ring::ThreadRecord& thread : request.threads) {
    if (thread.has_registers == 0) continue;
    AddStatus(notes, request, process, thread, bits);
    if (first) {
      AddProcess(notes, request, process, bits);
      AddFiles(notes, regions, page_bytes, bits);
    }
    AddRegisterSets(notes, request, thread.tid);
    first = false;
  }
  return notes.Take();
}

}  // namespace zxctl::report
