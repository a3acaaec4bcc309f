#include "report/signal_names.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <span>

namespace zxctl::report {
namespace {

// Codes that the C library's headers here do not know.
constexpr int kSegvMteAerr = 8;
constexpr int kSegvMteSerr = 9;
constexpr int kSegvCpErr = 10;
constexpr int kSysSeccomp = 1;
constexpr int kSysUserDispatch = 2;
constexpr int kTrapPerf = 6;

struct CodeRow {
  int code;
  CodeName name;
};

constexpr CodeRow kSegv[] = {{SEGV_MAPERR, {"SEGV_MAPERR", "address not mapped to object"}},
                             {SEGV_ACCERR, {"SEGV_ACCERR", "invalid permissions for mapped object"}},
                             {SEGV_BNDERR, {"SEGV_BNDERR", "failed address bound checks"}},
                             {SEGV_PKUERR, {"SEGV_PKUERR", "access denied by memory protection keys"}},
                             {kSegvMteAerr, {"SEGV_MTEAERR", "asynchronous memory tag check failure"}},
                             {kSegvMteSerr, {"SEGV_MTESERR", "memory tag check failure"}},
                             {kSegvCpErr, {"SEGV_CPERR", "control protection fault"}}};
constexpr CodeRow kBus[] = {{BUS_ADRALN, {"BUS_ADRALN", "invalid address alignment"}},
                            {BUS_ADRERR, {"BUS_ADRERR", "nonexistent physical address"}},
                            {BUS_OBJERR, {"BUS_OBJERR", "object-specific hardware error"}},
                            {BUS_MCEERR_AR, {"BUS_MCEERR_AR", "hardware memory error, consumed"}},
                            {BUS_MCEERR_AO, {"BUS_MCEERR_AO", "hardware memory error, not consumed"}}};
constexpr CodeRow kIll[] = {
    {ILL_ILLOPC, {"ILL_ILLOPC", "illegal opcode"}},          {ILL_ILLOPN, {"ILL_ILLOPN", "illegal operand"}},
    {ILL_ILLADR, {"ILL_ILLADR", "illegal addressing mode"}}, {ILL_ILLTRP, {"ILL_ILLTRP", "illegal trap"}},
    {ILL_PRVOPC, {"ILL_PRVOPC", "privileged opcode"}},       {ILL_PRVREG, {"ILL_PRVREG", "privileged register"}},
    {ILL_COPROC, {"ILL_COPROC", "coprocessor error"}},       {ILL_BADSTK, {"ILL_BADSTK", "internal stack error"}}};
constexpr CodeRow kFpe[] = {{FPE_INTDIV, {"FPE_INTDIV", "integer divide error"}},
                            {FPE_INTOVF, {"FPE_INTOVF", "integer overflow"}},
                            {FPE_FLTDIV, {"FPE_FLTDIV", "floating-point divide by zero"}},
                            {FPE_FLTOVF, {"FPE_FLTOVF", "floating-point overflow"}},
                            {FPE_FLTUND, {"FPE_FLTUND", "floating-point underflow"}},
                            {FPE_FLTRES, {"FPE_FLTRES", "floating-point inexact result"}},
                            {FPE_FLTINV, {"FPE_FLTINV", "invalid floating-point operation"}},
                            {FPE_FLTSUB, {"FPE_FLTSUB", "subscript out of range"}}};
constexpr CodeRow kTrap[] = {{TRAP_BRKPT, {"TRAP_BRKPT", "breakpoint"}},
                             {TRAP_TRACE, {"TRAP_TRACE", "trace trap"}},
                             {TRAP_BRANCH, {"TRAP_BRANCH", "branch trap"}},
                             {TRAP_HWBKPT, {"TRAP_HWBKPT", "hardware breakpoint or watchpoint"}},
                             {kTrapPerf, {"TRAP_PERF", "performance event"}}};
constexpr CodeRow kSys[] = {{kSysSeccomp, {"SYS_SECCOMP", "system call refused by a seccomp filter"}},
                            {kSysUserDispatch, {"SYS_USER_DISPATCH", "system call caught by user dispatch"}}};
constexpr CodeRow kAny[] = {
    {SI_USER, {"SI_USER", "sent with kill()"}},       {SI_KERNEL, {"SI_KERNEL", "raised by the kernel"}},
    {SI_QUEUE, {"SI_QUEUE", "sent with sigqueue()"}}, {SI_TIMER, {"SI_TIMER", "a timer expired"}},
    {SI_MESGQ, {"SI_MESGQ", "a message arrived"}},    {SI_ASYNCIO, {"SI_ASYNCIO", "asynchronous I/O completed"}},
    {SI_SIGIO, {"SI_SIGIO", "queued by SIGIO"}},      {SI_TKILL, {"SI_TKILL", "sent with tgkill()"}}};

std::span<const CodeRow> RowsOf(int signo) {
  switch (signo) {
    case SIGSEGV:
      return kSegv;
    case SIGBUS:
      return kBus;
    case SIGILL:
      return kIll;
    case SIGFPE:
      return kFpe;
    case SIGTRAP:
      return kTrap;
    case SIGSYS:
      return kSys;
    default:
      return {};
  }
}

CodeName Look(std::span<const CodeRow> rows, int code) {
  for (const CodeRow& row : rows) {
    if (row.code == code) return row.name;
  }
  return {};
}

}  // namespace

std::string SignalName(int signo) {
  if (const char* name = sigabbrev_np(signo)) return fmt::format("SIG{}", name);
  if (signo >= SIGRTMIN && signo <= SIGRTMAX) return fmt::format("SIGRTMIN+{}", signo - SIGRTMIN);
  return fmt::format("signal {}", signo);
}

CodeName NameCode(const SignalRecord& signal) {
  const CodeName own = Look(RowsOf(signal.signo), signal.code);
  return own.name.empty() ? Look(kAny, signal.code) : own;
}

bool WasSent(const SignalRecord& signal) { return signal.signo != 0 && signal.code <= 0; }

}  // namespace zxctl::report
