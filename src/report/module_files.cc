#include "report/module_files.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>

namespace zxctl::report {
namespace {

// libdwfl asks this for modules that it found by itself; all of ours are given with their files.
int FindNoElf(Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) { return -1; }

bool SameInode(int fd, const LoadedModule& module) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  return info.st_ino == module.inode && major(info.st_dev) == module.device_major &&
         minor(info.st_dev) == module.device_minor;
}

struct ElfCloser {
  void operator()(Elf* elf) const { elf_end(elf); }
};

std::string BuildIdOf(int fd) {
  const std::unique_ptr<Elf, ElfCloser> elf(elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, nullptr));
  const void* bytes = nullptr;
  const ssize_t size = elf ? dwelf_elf_gnu_build_id(elf.get(), &bytes) : -1;
  std::string hex;
  for (ssize_t i = 0; i < size; ++i) hex += fmt::format("{:02x}", static_cast<const uint8_t*>(bytes)[i]);
  return hex;
}

// Some file systems show another device number in maps than in stat; a build-id settles it.
bool IsFileOf(int fd, const LoadedModule& module) {
  if (SameInode(fd, module)) return true;
  return module.image && !module.image->build_id.empty() && BuildIdOf(fd) == module.image->build_id;
}

}  // namespace

ModuleFiles::ModuleFiles(pid_t pid, std::string debug_path) : pid_(pid), debug_path_(std::move(debug_path)) {
  // Reports never wait for a network.
  unsetenv("DEBUGINFOD_URLS");
  debug_path_pointer_ = debug_path_.data();
  callbacks_.find_elf = &FindNoElf;
  callbacks_.find_debuginfo = &dwfl_standard_find_debuginfo;
  callbacks_.section_address = &dwfl_offline_section_address;
  callbacks_.debuginfo_path = &debug_path_pointer_;
  dwfl_.reset(dwfl_begin(&callbacks_));
}

UniqueFd ModuleFiles::OpenFile(const LoadedModule& module, std::string& path) const {
  const std::array<std::string, 4> paths = {
      module.path, fmt::format("/proc/{}/root{}", pid_, module.path),
      fmt::format("/proc/{}/map_files/{:x}-{:x}", pid_, module.start, module.first_mapping_end),
      fmt::format("/proc/{}/exe", pid_)};
  for (const std::string& candidate : paths) {
    // Nothing that could block: a path may name a fifo by now.
    UniqueFd fd(open(candidate.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid() || !IsFileOf(fd.get(), module)) continue;
    path = candidate;
    return fd;
  }
  return UniqueFd();
}

Dwfl_Module* ModuleFiles::Report(const LoadedModule& module) {
  if (!dwfl_ || module.path.front() != '/') return nullptr;
  std::string path;
  UniqueFd fd = OpenFile(module, path);
  if (!fd.valid()) return nullptr;
  const uint64_t bias = module.image ? module.image->bias : module.start;
  dwfl_report_begin_add(dwfl_.get());
  Dwfl_Module* reported = dwfl_report_elf(dwfl_.get(), module.path.c_str(), path.c_str(), fd.get(), bias, true);
  if (reported != nullptr) (void)fd.Release();
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
  return reported;
}

Dwfl_Module* ModuleFiles::Open(const LoadedModule& module) {
  const auto [found, is_new] = opened_.try_emplace(&module, nullptr);
  if (is_new) found->second = Report(module);
  return found->second;
}

}  // namespace zxctl::report
