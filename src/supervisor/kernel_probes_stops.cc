// Probes of ptrace stops. Each is run in a process of its own (RunIsolated), which is the tracer and the parent.
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>
#include <thread>

#include "supervisor/kernel_probes.h"
#include "supervisor/proc_facts.h"

namespace zxctl::probe {
namespace {

int WaitOnEpoll(const Gate& start, const Gate& event) {
  start.Pass();
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted = {.events = EPOLLIN, .data = {.fd = event.fd()}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, event.fd(), &wanted);
  epoll_event got = {};
  return syscall(SYS_epoll_pwait, epoll, &got, 1, -1, nullptr, 0) == 1 ? 0 : 1;
}

// A tracee that stands at the entry of epoll_pwait, where it will block until event.Open().
Tracee TraceeInEpoll(const Gate& start, const Gate& event) {
  Tracee child(Fork([&] { return WaitOnEpoll(start, event); }));
  child.Seize(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL).Interrupt().ExpectStop(SIGTRAP, PTRACE_EVENT_STOP);
  start.Open();
  child.RunToSyscall(SYS_epoll_pwait);
  return child;
}

void RequireEintr(Tracee& child, arch::Registers& registers) {
  child.ReadRegisters(registers);
  child.Require(arch::EndedWithEintr(registers), "the stopped call shows no -EINTR");
  child.Require(arch::FindRestartableCall(registers, false).has_value(), "the stopped call is not recognised");
}

// The next SIGCHLD, which must be pending or come: SIGCHLD is blocked.
siginfo_t NextSigchld() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  siginfo_t info = {};
  sigwaitinfo(&wanted, &info);
  return info;
}

void BlockAndDropSigchld() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  sigprocmask(SIG_BLOCK, &wanted, nullptr);
  const timespec now = {};
  while (sigtimedwait(&wanted, nullptr, &now) == SIGCHLD) {
  }
}

// A process with one more thread, both of them seized; `thread_work` runs in that thread after go.Open(). The threads are
// seized one by one: a runtime may start more of them than we asked for.
struct TwoThreads {
  Tracee leader;
  Tracee thread;
};

int RunThread(const NumberPipe& tids, const Gate& go, void (*thread_work)()) {
  std::thread thread([&] {
    tids.Send(gettid());
    go.Pass();
    thread_work();
  });
  thread.join();
  return 0;
}

TwoThreads SeizedThreads(const Gate& go, void (*thread_work)(), uint64_t options) {
  const NumberPipe tids;
  Tracee leader(Fork([&] { return RunThread(tids, go, thread_work); }));
  Tracee thread(tids.Receive());
  leader.Seize(options | PTRACE_O_EXITKILL);
  thread.Require(leader.ok(), "PTRACE_SEIZE is refused").Seize(options | PTRACE_O_EXITKILL);
  return {std::move(leader), std::move(thread)};
}

void RaiseUsr1() { raise(SIGUSR1); }

void ExecOurselves() {
  char name[] = "probe";
  char* const arguments[] = {name, nullptr};
  execv("/proc/self/exe", arguments);
}

// Lets the kernel kill the caller at its next getppid.
void ForbidGetppid() {
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {static_cast<unsigned short>(std::size(code)), const_cast<sock_filter*>(code)};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int DieOfSeccomp(const Gate& start) {
  start.Pass();
  prctl(PR_SET_DUMPABLE, 0);  // no core file, and nothing for a core handler
  ForbidGetppid();
  syscall(SYS_getppid);
  return 1;
}

}  // namespace

Answer SeizeStops() {
  const Gate end;
  Tracee child(Fork([&] { return end.Pass(), 0; }));
  child.Seize(PTRACE_O_EXITKILL).Interrupt().ExpectStop(SIGTRAP, PTRACE_EVENT_STOP).Resume(PTRACE_CONT);
  end.Open();
  return child.ExpectExit(0).Verdict("PTRACE_INTERRUPT stops it, and it ends unharmed");
}

Answer InterruptedCallRestarts() {
  const Gate start, event;
  Tracee child = TraceeInEpoll(start, event);
  child.Resume(PTRACE_CONT).Interrupt().ExpectStop(SIGTRAP, PTRACE_EVENT_STOP);
  arch::Registers registers = {};
  RequireEintr(child, registers);
  arch::SetRestart(registers);
  child.WriteRegisters(registers).Resume(PTRACE_SYSCALL).ExpectStop(SIGTRAP | 0x80);
  child.ExpectSyscallEntry(SYS_epoll_pwait).Resume(PTRACE_CONT);
  event.Open();
  return child.ExpectExit(0).Verdict("-EINTR in the stop; with -ERESTARTNOHAND it is called again");
}

Answer IgnoredSignalWakes() {
  const Gate start, event;
  Tracee child = TraceeInEpoll(start, event);
  child.Resume(PTRACE_CONT);
  kill(child.tid(), SIGWINCH);
  child.ExpectStop(SIGWINCH);
  arch::Registers registers = {};
  RequireEintr(child, registers);
  return child.Verdict("SIGWINCH at its default stops it with -EINTR; the repair is on");
}

Answer ListenKeepsGroupStop() {
  const Gate start;
  Tracee child(Fork([&] { return start.Pass(), raise(SIGSTOP), 0; }));
  child.Seize(PTRACE_O_EXITKILL);
  start.Open();
  child.ExpectStop(SIGSTOP).Resume(PTRACE_CONT, SIGSTOP).ExpectStop(SIGSTOP, PTRACE_EVENT_STOP).Resume(PTRACE_LISTEN);
  const auto facts = ReadTaskFacts(child.tid());
  child.Require(facts && (facts->state == 't' || facts->state == 'T'), "it does not stay stopped");
  kill(child.tid(), SIGCONT);
  child.ExpectStop(SIGTRAP, PTRACE_EVENT_STOP).Resume(PTRACE_CONT).ExpectStop(SIGCONT);
  return child.Resume(PTRACE_CONT, SIGCONT).ExpectExit(0).Verdict("stays stopped, and SIGCONT ends it");
}

Answer SigchldNamesThread() {
  const Gate go;
  TwoThreads task = SeizedThreads(go, RaiseUsr1, 0);
  BlockAndDropSigchld();
  if (!task.thread.ok()) return task.thread.Verdict("");
  go.Open();
  const siginfo_t info = NextSigchld();
  task.thread.Require(
      info.si_pid == task.thread.tid() && info.si_code == CLD_TRAPPED,
      fmt::format("si_pid is {} for thread {} of {}", info.si_pid, task.thread.tid(), task.leader.tid()));
  return task.thread.ExpectStop(SIGUSR1).Verdict("si_pid is the thread, si_code CLD_TRAPPED");
}

Answer ExecTakesLeaderId() {
  const Gate go;
  TwoThreads task = SeizedThreads(go, ExecOurselves, PTRACE_O_TRACEEXEC);
  if (!task.thread.ok()) return task.thread.Verdict("");
  go.Open();
  uint64_t former = 0;
  task.leader.ExpectStop(SIGTRAP, PTRACE_EVENT_EXEC).ReadEventMessage(former);
  task.leader.Require(static_cast<pid_t>(former) == task.thread.tid(), "the event names another thread");
  return task.leader.Verdict("the event comes from the leader's id and names the thread");
}

Answer OptionsAreInherited() {
  const Gate start;
  const auto grandchild = [] { return Fork([] { return 0; }) > 0 ? 0 : 1; };
  Tracee child(Fork([&] { return start.Pass(), Fork(grandchild) > 0 ? 0 : 1; }));
  child.Seize(PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL);
  start.Open();
  uint64_t pid = 0;
  child.ExpectStop(SIGTRAP, PTRACE_EVENT_FORK).ReadEventMessage(pid);
  if (!child.ok()) return child.Verdict("");
  Tracee second(static_cast<pid_t>(pid));
  second.ExpectStop(SIGTRAP, PTRACE_EVENT_STOP).Resume(PTRACE_CONT).ExpectStop(SIGTRAP, PTRACE_EVENT_FORK);
  return second.Verdict("a child attached by PTRACE_O_TRACEFORK reports its own fork");
}

Answer SyscallInfo() {
  const Gate start;
  Tracee child(Fork([&] { return start.Pass(), static_cast<int>(syscall(SYS_getppid) == 0); }));
  child.Seize(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL).Interrupt().ExpectStop(SIGTRAP, PTRACE_EVENT_STOP);
  start.Open();
  return child.RunToSyscall(SYS_getppid).Verdict("names the system call and its entry");
}

Answer ExitKill() {
  const Gate ready, end;
  const pid_t victim = Fork([&] { return ready.Open(), end.Pass(), 0; });
  ready.Pass();
  const pid_t tracer = Fork([&] { return Tracee(victim).Seize(PTRACE_O_EXITKILL).ok() ? 0 : 1; });
  const Answer seized = Tracee(tracer).ExpectExit(0).Verdict("");
  if (seized.outcome != Outcome::kOk) return {Outcome::kMissing, "PTRACE_SEIZE with PTRACE_O_EXITKILL is refused"};
  end.Open();
  return Tracee(victim).ExpectDeath(SIGKILL).Verdict("a tracee dies with its tracer");
}

Answer SeccompKillStopsAtExit() {
  const Gate start;
  Tracee child(Fork([&] { return DieOfSeccomp(start); }));
  child.Seize(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
  if (!child.ok()) return child.Verdict("");  // it must not die for nothing: somebody else may report that as a crash
  start.Open();
  uint64_t status = 0;
  child.ExpectStop(SIGTRAP, PTRACE_EVENT_EXIT).ReadEventMessage(status);
  child.Require(WTERMSIG(static_cast<int>(status)) == SIGSYS, "the exit status is not SIGSYS");
  return child.Verdict("the exit stop comes, and its status is SIGSYS");
}

}  // namespace zxctl::probe
