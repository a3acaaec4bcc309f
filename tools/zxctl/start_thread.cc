#include "start_thread.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "attached.h"
#include "base/proc_file.h"
#include "cli/complain.h"
#include "cli/option_kinds.h"
#include "cli/print.h"
#include "report/maps.h"
#include "supervisor/proc_facts.h"
#include "symbols.h"

namespace zxctl {
namespace {

constexpr size_t kMaxMapsBytes = size_t{64} << 20;

// The values as numbers.
Result<arch::StartRegs> Resolve(pid_t pid, const StartThreadOptions& options) {
  struct Value {
    const char* option;
    const std::string& text;
    uint64_t arch::StartRegs::*field;
    ValueUse use = ValueUse::kAny;
  };
  const std::array<Value, 6> values = {{{"--pc", options.pc, &arch::StartRegs::pc, ValueUse::kCode},
                                        {"--sp", options.sp, &arch::StartRegs::sp},
                                        {"--arg1", options.arg1, &arch::StartRegs::arg1},
                                        {"--arg2", options.arg2, &arch::StartRegs::arg2},
                                        {"--tp", options.tp, &arch::StartRegs::tp},
                                        {"--abi-reg", options.abi_reg, &arch::StartRegs::abi_reg}}};
  arch::StartRegs regs;
  for (const Value& value : values) {
    const auto number = ResolveValue(pid, value.text, value.use);
    if (!number) {
      Status status = number.error();
      status.what = fmt::format("{}: {}", value.option, status.what);
      return Fail(std::move(status));
    }
    regs.*value.field = *number;
  }
  return regs;
}

// A thread that faults at its first instruction takes the whole process with it, and so is better not started. Addresses
// that no program can have are left to the library, which refuses them.
Result<void> CheckMapped(pid_t pid, const arch::StartRegs& regs) {
  const auto refuse = [](std::string what) {
    what +=
        "; the thread would fault at once, and the process die of it unless it handles that (--unchecked starts it)";
    return Fail(Status{.zx = ZX_ERR_INVALID_ARGS, .what = std::move(what)});
  };
  const auto text = ReadFile(fmt::format("/proc/{}/maps", LiveThread(pid)), kMaxMapsBytes);
  if (!text) return Fail(text.error());
  const std::vector<report::Mapping> maps = report::ParseMaps(*text);
  const report::Mapping* code = report::FindMapping(maps, regs.pc);
  if ((code == nullptr || !code->execute) && !arch::IsKernelHalf(regs.pc) && arch::IsCanonical(regs.pc)) {
    return refuse(fmt::format("--pc: {:#x} is not executable memory of process {}", regs.pc, pid));
  }
  // The stack grows down from sp.
  const report::Mapping* stack = report::FindMapping(maps, regs.sp - 1);
  if (stack == nullptr || !stack->write) {
    return refuse(fmt::format("--sp: below {:#x} is no writable memory of process {}", regs.sp, pid));
  }
  return {};
}

// The id of the thread.
Result<pid_t> StartIn(const AttachedProcess& process, pid_t pid, const StartThreadOptions& options) {
  // It is made before anything is looked up: a program that is executed meanwhile ends it, and is spared a thread at addresses
  // that were another program's.
  zx::Thread thread;
  zx_status_t status = zx::Thread::create(process.process(), "", 0, 0, &thread);
  if (status != ZX_OK) return Fail(LastError(status));
  pid_t tid = 0;
  if (status = thread.get_pid(&tid); status != ZX_OK) return Fail(LastError(status));
  const auto regs = Resolve(pid, options);
  if (!regs) return Fail(regs.error());
  if (!options.unchecked) {
    if (const auto mapped = CheckMapped(pid, *regs); !mapped) return Fail(mapped.error());
  }
  status = thread.start_regs(regs->pc, regs->sp, regs->arg1, regs->arg2, regs->tp, regs->abi_reg);
  if (status != ZX_OK) return Fail(LastError(status));
  return tid;
}

Result<std::string> Start(const StartThreadOptions& options) {
  const auto task = FindTask(options.task);
  if (!task) return Fail(task.error());
  // Before anything else: whoever may not trace it may not look for its names either.
  auto process = AttachedProcess::Attach(task->pid);
  if (!process) return Fail(Explain(task->pid, process.error()));
  const auto name = ReadTaskName(task->pid);
  const auto tid = StartIn(*process, task->pid, options);
  if (!tid) return Fail(Explain(task->pid, tid.error()));
  std::string done =
      fmt::format("thread {} started in {}", *tid, name ? name->ToString() : fmt::format("process {}", task->pid));
  if (const auto gone = process->LetGo(); !gone) {
    Status status = gone.error();
    status.what = fmt::format("{}, and then: {}", done, status.what);
    return Fail(std::move(status));
  }
  return done;
}

}  // namespace

void DeclareStartThread(CLI::App& app, StartThreadOptions& options) {
  AddTaskId(app, "TASK", options.task, "The process, by its id or that of one of its threads")->required();
  const auto value = [&app](const std::string& name, std::string& out, const std::string& help) {
    return app.add_option(name, out, help)->check(&WhyNoValue)->type_name("VALUE");
  };
  value("--pc", options.pc, "Where it starts: a function that never returns")->required();
  value("--sp", options.sp, "The end of its stack, in memory that the process has mapped")->required();
  value("--arg1", options.arg1, "The function's first argument (0)");
  value("--arg2", options.arg2, "Its second argument (0)");
  value("--tp", options.tp, "The thread pointer (0)");
  value("--abi-reg", options.abi_reg, "The register that the platform's ABI reserves: r15, x18 or gp (0)");
  app.add_flag("--unchecked", options.unchecked, "Start it also where pc or sp is not memory that fits");
  app.footer(
      "A VALUE is a number, or a name that the process has: main, libc.so.6!getpid, buffer+0x4000. The thread blocks "
      "all "
      "signals and has no thread-local storage, so most of the C library is not for it; it ends by the system call "
      "exit, "
      "see zxctl-start-thread(1). Exit status 0: started, 1: not started, 125: wrong arguments, or standard output "
      "cannot be written.");
}

int StartThread(const StartThreadOptions& options) {
  const auto done = Start(options);
  if (done) {
    Print("{}\n", *done);
    const int status = EndOutput(0);
    if (status != 0) Complain(*done);
    return status;
  }
  Complain(done.error().ToString());
  return 1;
}

}  // namespace zxctl
