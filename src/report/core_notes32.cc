#include "report/core_notes32.h"

#include <csignal>

namespace zxctl::report {

Status32 MakeStatus32(const CoreRequest& request, const CoreProcess& process, const ring::ThreadRecord& thread,
                      bool has_floating_point) {
  return {.si_signo = request.crash.signal.signo,
          .cursig = static_cast<int16_t>(request.crash.signal.signo),
          .pid = thread.tid,
          .ppid = process.parent_pid,
          .pgrp = process.group,
          .sid = process.session,
          .registers = arch::Registers32(thread.registers),
          .fpvalid = has_floating_point ? 1 : 0};
}

Signal32 MakeSignal32(const SignalRecord& signal) {
  Signal32 info{.signo = signal.signo, .error = signal.error, .code = signal.code};
  if (signal.code <= 0) {
    info.fields = {static_cast<uint32_t>(signal.pid), static_cast<uint32_t>(signal.uid), 0};
  } else {
    info.fields[0] = static_cast<uint32_t>(signal.address);
    if (signal.signo == SIGSYS) info.fields[1] = static_cast<uint32_t>(signal.syscall);
  }
  return info;
}

}  // namespace zxctl::report
