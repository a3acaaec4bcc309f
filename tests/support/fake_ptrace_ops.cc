#include "support/fake_ptrace_ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace zxctl {

std::string FakeStatLine(uint64_t caught, uint64_t ignored, uint64_t blocked) {
  return fmt::format(
      "1 (fake) t 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 1 1 1 1 1 1 0 0 0 {} {} {} 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 "
      "0 0\n",
      blocked, ignored, caught);
}

int FakePtraceOps::Count(const std::string& call) const {
  return static_cast<int>(std::count(calls.begin(), calls.end(), call));
}

FakeTracee* FakePtraceOps::Living(pid_t tid) {
  const auto found = tracees.find(tid);
  return found == tracees.end() || found->second.dead ? nullptr : &found->second;
}

OpResult FakePtraceOps::Record(const std::string& call, pid_t tid, const std::string& rest) {
  calls.push_back(fmt::format("{} {}{}", call, tid, rest));
  return Living(tid) == nullptr ? OpResult(ESRCH) : OpResult();
}

OpResult FakePtraceOps::Seize(pid_t tid, uint64_t options) {
  if (seize_error != 0) return OpResult(seize_error);
  if (tracees[tid].facts.tracer != 0) return OpResult(EPERM);
  tracees[tid].options = options;
  tracees[tid].untraced = false;
  if (tracees[tid].tgid == 0) tracees[tid].tgid = tid;
  return {};
}

OpResult FakePtraceOps::SetOptions(pid_t tid, uint64_t options) {
  if (FakeTracee* tracee = Living(tid); tracee != nullptr) tracee->options = options;
  return Record("setoptions", tid);
}

OpResult FakePtraceOps::Resume(pid_t tid, ResumeMode mode, int signo) {
  if (FakeTracee* tracee = Living(tid); tracee != nullptr) tracee->stopped = false;
  const char* const name = mode == ResumeMode::kContinue       ? "cont"
                           : mode == ResumeMode::kUntilSyscall ? "syscall"
                           : mode == ResumeMode::kStep         ? "step"
                                                               : "skip";
  return Record(name, tid, fmt::format(" {}", signo));
}

OpResult FakePtraceOps::Listen(pid_t tid) { return Record("listen", tid); }
OpResult FakePtraceOps::Interrupt(pid_t tid) { return Record("interrupt", tid); }
OpResult FakePtraceOps::Detach(pid_t tid, int signo) { return Record("detach", tid, fmt::format(" {}", signo)); }

OpResult FakePtraceOps::GetRegisters(pid_t tid, arch::Registers& out) {
  FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  out = tracee->registers;
  return {};
}

OpResult FakePtraceOps::SetRegisters(pid_t tid, const arch::Registers& registers) {
  if (FakeTracee* tracee = Living(tid); tracee != nullptr) {
    tracee->registers = registers;
    if (Count(fmt::format("setregs {}", tid)) == 0) tracee->options_at_setregs = tracee->options;
  }
  return Record("setregs", tid);
}

size_t FakePtraceOps::GetRegisterSet(pid_t /*tid*/, uint32_t /*note_type*/, std::span<std::byte> /*out*/) { return 0; }

OpResult FakePtraceOps::SetRegisterSet(pid_t tid, uint32_t /*note_type*/, std::span<const std::byte> /*in*/) {
  return Record("setset", tid);
}

OpResult FakePtraceOps::BlockSignals(pid_t tid) { return Record("block", tid); }

OpResult FakePtraceOps::GetSignalMask(pid_t tid, uint64_t& out) {
  const FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  out = tracee->signal_mask;
  return {};
}

OpResult FakePtraceOps::SetSignalMask(pid_t tid, uint64_t mask) {
  if (FakeTracee* tracee = Living(tid); tracee != nullptr) tracee->signal_mask = mask;
  return Record("setmask", tid);
}

OpResult FakePtraceOps::SetSiginfo(pid_t tid, const siginfo_t& info) {
  if (FakeTracee* tracee = Living(tid); tracee != nullptr) tracee->siginfo = info;
  return Record("setsiginfo", tid);
}

uint64_t FakePtraceOps::ReadPendingSignals(pid_t tid) {
  const FakeTracee* tracee = Living(tid);
  return tracee == nullptr ? 0 : tracee->pending_signals;
}

bool FakePtraceOps::SendSignal(pid_t /*tgid*/, pid_t tid, int signo) {
  return Record("send", tid, fmt::format(" {}", signo)).ok();
}

OpResult FakePtraceOps::GetSiginfo(pid_t tid, siginfo_t& out) {
  FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  out = tracee->siginfo;
  return {};
}

OpResult FakePtraceOps::GetEventMessage(pid_t tid, uint64_t& out) {
  FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  out = tracee->event_message;
  return {};
}

OpResult FakePtraceOps::IsCompatCall(pid_t tid, bool& out) {
  FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  out = tracee->compat;
  return {};
}

OpResult FakePtraceOps::RecoverCall(pid_t tid, arch::Registers& registers) {
  const FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  arch::SetFirstArgument(registers, tracee->first_argument);
  return {};
}

WaitResult FakePtraceOps::Take(pid_t tid, FakeTracee& tracee) {
  if (tracee.statuses.empty()) return {};
  const int status = tracee.statuses.front();
  tracee.statuses.pop_front();
  tracee.stopped = true;
  return {.tid = tid, .status = status};
}

WaitResult FakePtraceOps::Wait(pid_t tid) {
  if (tid != -1) {
    if (clock != nullptr) clock->now_ns += wait_cost_ns;
    const auto found = tracees.find(tid);
    return found == tracees.end() ? WaitResult{.tid = -1} : Take(tid, found->second);
  }
  if (tracees.empty()) return {.tid = -1};
  for (auto& [id, tracee] : tracees) {
    if (clock != nullptr) clock->now_ns += wait_any_cost_ns;
    const WaitResult taken = Take(id, tracee);
    if (taken.tid != 0) return taken;
  }
  return {};
}

std::optional<TaskFacts> FakePtraceOps::ReadFacts(pid_t tid) {
  const auto found = tracees.find(tid);
  if (found == tracees.end()) return std::nullopt;
  TaskFacts facts = found->second.facts;
  facts.tid = tid;
  facts.process = found->second.tgid;
  return facts;
}

bool FakePtraceOps::MayMakeThread(pid_t tid) { return tracees[tid].may_make_thread; }

std::vector<pid_t> FakePtraceOps::ListThreads(pid_t pid) {
  std::vector<pid_t> tids;
  for (const auto& [tid, tracee] : tracees) {
    if (tracee.tgid == pid) tids.push_back(tid);
  }
  return tids;
}

bool FakePtraceOps::IsTracee(pid_t tid) {
  const auto found = tracees.find(tid);
  return found != tracees.end() && !found->second.untraced;
}

bool FakePtraceOps::IsThreadOf(pid_t tgid, pid_t tid) {
  const auto found = tracees.find(tid);
  return found != tracees.end() && found->second.tgid == tgid;
}

bool FakePtraceOps::AwaitEndOfExiting(pid_t pid) {
  if (pid != exiting) return false;
  for (auto& [tid, tracee] : tracees) {
    if (tracee.facts.tracer == pid) tracee.facts.tracer = 0;
  }
  return true;
}

size_t FakePtraceOps::ReadStat(pid_t /*tgid*/, pid_t tid, UniqueFd& /*fd*/, char* buffer, size_t size) {
  const FakeTracee* tracee = Living(tid);
  if (tracee == nullptr) return 0;
  const std::string line = tracee->stat_line.empty() ? FakeStatLine(0) : tracee->stat_line;
  const size_t length = std::min(size, line.size());
  std::memcpy(buffer, line.data(), length);
  return length;
}

std::optional<SleepLook> FakePtraceOps::LookAtSleep(pid_t /*tgid*/, pid_t tid) {
  FakeTracee* tracee = Living(tid);
  return tracee == nullptr ? std::nullopt : std::exchange(tracee->sleep, tracee->stands);
}

bool FakePtraceOps::ReadSignalMasks(pid_t /*tid*/, uint64_t& ignored, uint64_t& caught) {
  ignored = SignalBit(40);
  caught = 0;
  return true;
}

int FakePtraceOps::ReadSeccompMode(pid_t tid) { return tracees[tid].seccomp; }

size_t FakePtraceOps::ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) {
  const auto& memory = tracees[tid].memory;
  const auto found = memory.find(address);
  if (found == memory.end()) return 0;
  const size_t length = std::min(size, found->second.size());
  std::memcpy(out, found->second.data(), length);
  return length;
}

size_t FakePtraceOps::WriteMemory(pid_t tid, uint64_t address, const void* in, size_t size) {
  FakeTracee* tracee = Living(tid);
  if (tracee == nullptr || size == 0) return 0;
  const auto* bytes = static_cast<const uint8_t*>(in);
  tracee->memory[address].assign(bytes, bytes + size);
  return size;
}

int64_t FakePtraceOps::SocketTimeoutNs(pid_t tgid, int /*fd*/, bool /*receive*/) {
  return tracees[tgid].socket_timeout_ns;
}

bool FakePtraceOps::IsLocalSocket(pid_t tgid, int /*fd*/) { return tracees[tgid].local_sockets; }

bool FakePtraceOps::LostPrivileges(pid_t /*tgid*/) { return lost_privileges; }
void FakePtraceOps::Kill(pid_t tgid) { calls.push_back(fmt::format("kill {}", tgid)); }

}  // namespace zxctl
