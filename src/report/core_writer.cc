#include "report/core_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <numeric>

#include "base/proc_file.h"
#include "report/core_layout.h"
#include "report/core_memory.h"
#include "report/core_notes.h"
#include "report/core_regions.h"
#include "report/fd_writer.h"
#include "report/new_file.h"
#include "report/text_safety.h"

namespace zxctl::report {
namespace {

constexpr size_t kMaxProcText = 256u << 20;
constexpr size_t kMaxNameInFile = 64;

std::string ProcPath(int32_t tid, std::string_view name) { return fmt::format("/proc/{}/{}", tid, name); }

std::string ProcText(int32_t tid, std::string_view name) {
  return ReadFile(ProcPath(tid, name), kMaxProcText).value_or(std::string());
}

// A thread that still has memory: that of a leader that has exited is gone while its threads live on.
int32_t TidWithMemory(const CoreRequest& request) {
  return request.crash.tid != 0 ? request.crash.tid : request.crash.pid;
}

CoreProcess ReadProcess(const CoreRequest& request) {
  const int32_t pid = request.crash.pid;
  CoreProcess process = ParseCoreProcess(ProcText(pid, "stat"), ProcText(pid, "status"));
  process.command_line = ProcText(TidWithMemory(request), "cmdline");
  process.auxv = ProcText(TidWithMemory(request), "auxv");
  return process;
}

std::vector<CoreRegion> ReadRegions(int32_t tid) {
  std::vector<CoreRegion> regions = ParseRegions(ProcText(tid, "smaps"));
  return regions.empty() ? ParseRegions(ProcText(tid, "maps")) : regions;
}

uint32_t ReadFilter(int32_t tid) {
  const std::string text = ProcText(tid, "coredump_filter");
  return text.empty() ? kDefaultFilter : static_cast<uint32_t>(strtoul(text.c_str(), nullptr, 16));
}

Result<void> Check(const CoreRequest& request) {
  if (FirstWithRegisters(request) == nullptr || request.mem_fd < 0) {
    return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "no core: the process's registers or memory are not there"});
  }
  return {};
}

void ChooseContents(std::vector<CoreRegion>& regions, uint32_t filter, const CoreMemory& memory, uint64_t page_bytes) {
  for (CoreRegion& region : regions) {
    switch (ChooseDump(region, filter)) {
      case Dump::kNothing:
        region.file_bytes = 0;
        break;
      case Dump::kElfHeader:
        region.file_bytes = memory.StartsWithElf(region.map.start) ? page_bytes : 0;
        break;
      case Dump::kAll:
        region.file_bytes = region.map.end - region.map.start;
        break;
    }
  }
}

// Small regions first: stacks and data say most, and a deadline or a full disk then costs a part of the largest.
std::vector<size_t> CopyOrder(std::span<const CoreRegion> regions) {
  std::vector<size_t> order(regions.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [regions](size_t a, size_t b) { return regions[a].file_bytes < regions[b].file_bytes; });
  return order;
}

// What kind of core file it becomes.
struct CoreForm {
  uint64_t page_bytes = 0;
  arch::Bits bits = arch::Bits::k64;
};

int SetSize(int fd, uint64_t bytes, const CoreForm& form) {
  if (form.bits == arch::Bits::k32 && bytes > UINT32_MAX) {
    errno = EFBIG;
    return -1;
  }
  return ftruncate(fd, static_cast<off_t>(bytes));
}

// Gives the file its final size, with holes everywhere. A file system or file size limit that has no room for the holes
// costs the largest regions. False when some were left out.
Result<bool> Reserve(int fd, std::vector<CoreRegion>& regions, CoreLayout& layout, const std::vector<std::byte>& notes,
                     const CoreForm& form) {
  bool whole = true;
  while (SetSize(fd, layout.total_bytes, form) != 0) {
    const auto largest = std::max_element(regions.begin(), regions.end(),
                                          [](const auto& a, const auto& b) { return a.file_bytes < b.file_bytes; });
    if ((errno != EFBIG && errno != EINVAL) || largest == regions.end() || largest->file_bytes == 0) {
      return FailErrno("the core cannot be written");
    }
    largest->file_bytes = 0;
    whole = false;
    layout = MakeCoreLayout(regions, notes, form.page_bytes, form.bits);
  }
  return whole;
}

Result<bool> CopyRegions(CoreMemory& memory, std::span<const CoreRegion> regions, const CoreLayout& layout) {
  for (const size_t i : CopyOrder(regions)) {
    Result<bool> copied = memory.Copy(regions[i], layout.offsets[i]);
    if (!copied || !*copied) return copied;
  }
  return true;
}

// True when everything is in the file that should be.
Result<bool> WriteContents(const CoreRequest& request, int fd) {
  const int32_t tid = TidWithMemory(request);
  const CoreForm form{.page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE)), .bits = BitsOf(request)};
  UniqueFd pagemap(open(ProcPath(tid, "pagemap").c_str(), O_RDONLY | O_CLOEXEC));
  CoreMemory memory(request.mem_fd, fd, std::move(pagemap), request.deadline_ns, request.max_bytes);
  std::vector<CoreRegion> regions = ReadRegions(tid);
  if (regions.empty())
    return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "no core: the process has no memory any more"});
  ChooseContents(regions, ReadFilter(tid), memory, form.page_bytes);
  const std::vector<std::byte> notes = BuildCoreNotes(request, ReadProcess(request), regions, form.page_bytes);
  CoreLayout layout = MakeCoreLayout(regions, notes, form.page_bytes, form.bits);
  Result<bool> reserved = Reserve(fd, regions, layout, notes, form);
  if (!reserved) return reserved;
  const std::string_view head(reinterpret_cast<const char*>(layout.head.data()), layout.head.size());
  const Result<void> written = WriteAll(fd, head, kNever);
  if (!written) return Fail(written.error());
  Result<bool> copied = CopyRegions(memory, regions, layout);
  if (!copied) return copied;
  return *reserved && *copied;
}

}  // namespace

Result<std::string> WriteCore(const CoreRequest& request) {
  const Result<void> checked = Check(request);
  if (!checked) return Fail(checked.error());
  const ScopedWriteSignals quiet;
  const std::string stem = fmt::format("core.{}.{}", FileNameSafe(request.name, kMaxNameInFile), request.crash.pid);
  // It bears the suffix from the start: whoever kills the writer leaves nothing that looks whole.
  Result<NewFile> file = NewFile::Create(request.directory, "", stem, kIncompleteSuffix);
  if (!file) return Fail(std::move(file.error()));
  const Result<bool> whole = WriteContents(request, file->fd());
  if (!whole) return Fail(whole.error());
  return *whole ? file->Publish(stem, "") : file->Keep();
}

}  // namespace zxctl::report
