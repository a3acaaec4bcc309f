// The files behind the program's modules, opened through libdwfl at first use. Runs in the sandboxed worker only: it parses
// what the program controls.
#pragma once

#include <elfutils/libdwfl.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "base/unique_fd.h"
#include "report/modules.h"

namespace zxctl::report {

struct DwflDeleter {
  void operator()(Dwfl* dwfl) const { dwfl_end(dwfl); }
};

class ModuleFiles {
 public:
  // `debug_path`: colon-separated folders of separate debug files, as libdwfl reads it.
  ModuleFiles(pid_t pid, std::string debug_path);

  // The file of `module`; null when it is gone, is another one by now, or is no ELF file. Stays valid.
  [[nodiscard]] Dwfl_Module* Open(const LoadedModule& module);

 private:
  Dwfl_Module* Report(const LoadedModule& module);
  [[nodiscard]] UniqueFd OpenFile(const LoadedModule& module, std::string& path) const;

  pid_t pid_;
  std::string debug_path_;
  char* debug_path_pointer_ = nullptr;  // libdwfl keeps the address of a char*
  Dwfl_Callbacks callbacks_{};
  std::unique_ptr<Dwfl, DwflDeleter> dwfl_;
  std::unordered_map<const LoadedModule*, Dwfl_Module*> opened_;
};

}  // namespace zxctl::report
