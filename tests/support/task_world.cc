#include "support/task_world.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "machine_registers.h"

namespace zxctl {
namespace {

constexpr uint64_t kCodeAddress = 0x1000;

int SignalStop(int signo) { return (signo << 8) | 0x7f; }
// Its next instruction is the call that ends it.
bool MakesExitCall(const arch::Registers& registers) {
  arch::Registers exiting = registers;
  arch::SetSystemCall(exiting, arch::Pc(registers), SYS_exit, {0});
  return std::memcmp(&exiting, &registers, sizeof(registers)) == 0;
}

int EventStop(int event) { return (event << 16) | (SIGTRAP << 8) | 0x7f; }

}  // namespace

FakeTracee* TaskWorld::Find(pid_t tid) {
  const auto found = tracees.find(tid);
  return found == tracees.end() || found->second.dead ? nullptr : &found->second;
}

FakeTracee* TaskWorld::Running(pid_t tid) {
  FakeTracee* tracee = Find(tid);
  const bool runs = tracee != nullptr && traced_.contains(tid) && !tracee->stopped && tracee->statuses.empty();
  return runs ? tracee : nullptr;
}

FakeTracee* TaskWorld::StoppedOne(pid_t tid) {
  FakeTracee* tracee = Find(tid);
  return tracee != nullptr && traced_.contains(tid) && tracee->stopped ? tracee : nullptr;
}

std::vector<pid_t> TaskWorld::tids() const {
  std::vector<pid_t> all;
  for (const auto& [tid, tracee] : tracees) all.push_back(tid);
  return all;
}

std::vector<pid_t> TaskWorld::LeftBehind() const {
  std::vector<pid_t> left;
  for (const pid_t tid : traced_) {
    const auto found = tracees.find(tid);
    if (found != tracees.end() && !found->second.dead) left.push_back(tid);
  }
  return left;
}

// ---- what programs do ------------------------------------------------------------------------------------------------

void TaskWorld::AddThread(pid_t tid, pid_t tgid) {
  FakeTracee& tracee = tracees[tid];
  tracee.tgid = tgid;
  arch::SetSystemCall(tracee.registers, kCodeAddress, SYS_getpid, {0});
  // Where a system call instruction has just been.
  arch::CodeBytes code = arch::kSystemCallInstruction;
  tracee.memory[arch::Pc(tracee.registers) - code.size()].assign(code.begin(), code.end());
}

void TaskWorld::AddProcess(pid_t pid, int threads) {
  for (int i = 0; i < threads; ++i) AddThread(pid + i, pid);
}

void TaskWorld::Fault(pid_t tid, int signo) {
  FakeTracee* tracee = Running(tid);
  if (tracee == nullptr) return;
  tracee->siginfo = {};
  tracee->siginfo.si_signo = signo;
  tracee->siginfo.si_code = 1;
  tracee->statuses.push_back(SignalStop(signo));
}

void TaskWorld::Clone(pid_t tid, bool forks, bool child_first) {
  FakeTracee* creator = Running(tid);
  if (creator == nullptr) return;
  // Wait() takes the lowest number first.
  const pid_t child = child_first && !tracees.contains(tid - 1) && tid > 2 ? tid - 1 : ++last_tid_;
  AddThread(child, forks ? child : creator->tgid);
  tracees[child].options = creator->options;
  tracees[child].statuses.push_back(EventStop(PTRACE_EVENT_STOP));
  traced_.insert(child);
  creator->event_message = static_cast<uint64_t>(child);
  creator->statuses.push_back(EventStop(forks ? PTRACE_EVENT_FORK : PTRACE_EVENT_CLONE));
}

void TaskWorld::Exec(pid_t tid) {
  const FakeTracee* caller = Running(tid);
  if (caller == nullptr) return;
  const pid_t pid = caller->tgid;
  FakeTracee* leader = Running(pid);
  if (leader == nullptr) return;
  for (const pid_t other : ListThreads(pid)) {
    if (other != pid && other != tid && Find(other) != nullptr) End(other, 0);
  }
  if (tid != pid) Reap(tid);
  leader->event_message = static_cast<uint64_t>(tid);
  leader->statuses.push_back(EventStop(PTRACE_EVENT_EXEC));
}

void TaskWorld::Catch(pid_t pid, int signo) {
  caught_.emplace(pid, signo);
  for (const pid_t tid : ListThreads(pid)) tracees[tid].stat_line = FakeStatLine(SignalBit(signo));
}

void TaskWorld::Exit(pid_t tid) {
  FakeTracee* tracee = Running(tid);
  if (tracee == nullptr) return;
  if ((tracee->options & PTRACE_O_TRACEEXIT) == 0) return End(tid, 0);
  exiting_.insert(tid);
  test::SetCallInside(tracee->registers, SYS_exit);
  tracee->event_message = 0;
  tracee->statuses.push_back(EventStop(PTRACE_EVENT_EXIT));
}

void TaskWorld::End(pid_t tid, int status) {
  FakeTracee& tracee = tracees[tid];
  tracee.statuses.clear();
  tracee.stopped = false;
  tracee.dead = true;
  exiting_.erase(tid);
  interrupted_.erase(tid);
  if (!traced_.contains(tid)) return Reap(tid);
  if (tid == tracee.tgid && ListThreads(tid).size() > 1) {
    zombies_[tid] = status;
  } else {
    tracee.statuses.push_back(status);
  }
}

void TaskWorld::Reap(pid_t tid) {
  const pid_t tgid = tracees[tid].tgid;
  tracees.erase(tid);
  traced_.erase(tid);
  const auto zombie = zombies_.find(tgid);
  if (zombie == zombies_.end() || ListThreads(tgid).size() > 1) return;
  tracees[tgid].statuses.push_back(zombie->second);
  zombies_.erase(zombie);
}

void TaskWorld::Die(pid_t tgid, int signo) {
  std::vector<pid_t> tids = ListThreads(tgid);
  // The leader's end is told of last.
  std::reverse(tids.begin(), tids.end());
  for (const pid_t tid : tids) {
    if (Find(tid) != nullptr) End(tid, signo);
  }
}

// ---- what a tracer does ----------------------------------------------------------------------------------------------

OpResult TaskWorld::Seize(pid_t tid, uint64_t options) {
  FakeTracee* tracee = Find(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  if (!traced_.insert(tid).second) return OpResult(EPERM);
  tracee->options = options;
  return {};
}

OpResult TaskWorld::Interrupt(pid_t tid) {
  FakeTracee* tracee = Find(tid);
  if (tracee == nullptr || !traced_.contains(tid)) return OpResult(ESRCH);
  if (Running(tid) != nullptr) {
    tracee->statuses.push_back(EventStop(PTRACE_EVENT_STOP));
  } else {
    interrupted_.insert(tid);
  }
  return {};
}

OpResult TaskWorld::Resume(pid_t tid, ResumeMode /*mode*/, int signo) {
  FakeTracee* tracee = StoppedOne(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  tracee->stopped = false;
  if (exiting_.contains(tid)) {
    End(tid, 0);
  } else if (signo != 0 && !caught_.contains({tracee->tgid, signo})) {
    Die(tracee->tgid, signo);
  } else if (MakesExitCall(tracee->registers)) {
    Exit(tid);
  } else if (interrupted_.erase(tid) != 0) {
    tracee->statuses.push_back(EventStop(PTRACE_EVENT_STOP));
  }
  return {};
}

OpResult TaskWorld::Detach(pid_t tid, int signo) {
  const FakeTracee* tracee = StoppedOne(tid);
  if (tracee == nullptr) return OpResult(ESRCH);
  const pid_t tgid = tracee->tgid;
  traced_.erase(tid);
  interrupted_.erase(tid);
  tracees[tid].stopped = false;
  if (exiting_.contains(tid)) {
    End(tid, 0);
  } else if (signo != 0 && !caught_.contains({tgid, signo})) {
    Die(tgid, signo);
  }
  return {};
}

WaitResult TaskWorld::Wait(pid_t tid) {
  const WaitResult result = FakePtraceOps::Wait(tid);
  if (result.tid <= 0) return result;
  const auto found = tracees.find(result.tid);
  if (found != tracees.end() && found->second.dead && found->second.statuses.empty()) Reap(result.tid);
  return result;
}

size_t TaskWorld::ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) {
  return Find(tid) == nullptr ? 0 : FakePtraceOps::ReadMemory(tid, address, out, size);
}

}  // namespace zxctl
