// What the tracer says to people while their program runs.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "report/standard_error.h"
#include "supervisor/tracer.h"

namespace zxctl {

class Notices final : public TracerObserver {
 public:
  Notices(report::FileIdentity standard_error, pid_t root_pid) : standard_error_(standard_error), root_pid_(root_pid) {}

  // Says once for each program file that its setuid or setgid bit had no effect.
  void OnExec(Process& process, bool lost_privileges) override;

  [[nodiscard]] bool program_started() const { return program_started_; }

 private:
  report::FileIdentity standard_error_;
  pid_t root_pid_;
  bool program_started_ = false;
  std::set<std::string> said_;
};

}  // namespace zxctl
