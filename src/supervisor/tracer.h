// The tracer: wait results in, ptrace calls out. It keeps the task tree, feeds each thread's state machine and carries
// out its actions. One thread; nothing here blocks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/timer_queue.h"
#include "supervisor/exception_sink.h"
#include "supervisor/ptrace_ops.h"
#include "supervisor/task_tree.h"
#include "supervisor/wait_status.h"

namespace zxctl {

struct TracerOptions {
  bool follow_processes = true;       // also the processes that the program starts
  bool kill_on_tracer_death = false;  // PTRACE_O_EXITKILL
};

// What the tracer has seen; for people and for measurements.
struct TracerStats {
  uint64_t stops = 0;
  uint64_t signals = 0;
  uint64_t faults = 0;
  uint64_t forks = 0;
  uint64_t threads = 0;
  uint64_t execs = 0;
  uint64_t exits = 0;
  uint64_t restarted_calls = 0;
  uint64_t illegal_events = 0;  // stops that the state machine says cannot happen
  uint64_t max_tracees = 0;
  uint64_t lost_packets = 0;  // exceptions that went to the next handler because there was no room for their packets
};

// Who is told of what happens in the tree; each call comes from the tracer's thread.
class TracerObserver {
 public:
  virtual ~TracerObserver() = default;
  virtual void OnExec(Process& /*process*/, bool /*lost_privileges*/) {}
  virtual void OnProcessBorn(Process& /*process*/) {}
  // It stands before its program's first instruction.
  virtual void OnParked(Process& /*process*/) {}
  // A thread that runs was asked to stop.
  virtual void OnInterrupted(pid_t /*tid*/) {}
  // It executes a program and takes the place and the tid of its leader, whose end comes next.
  virtual void OnTakesOver(Thread& /*thread*/, pid_t /*leader*/) {}
  // A suspend has taken effect, or is over; or the thread has begun to exit.
  virtual void OnThreadChanged(Thread& /*thread*/) {}
  // Still in the tree, for the last time.
  virtual void OnThreadGone(Thread& /*thread*/) {}
  // Its last thread is gone. `wait_status` is what waitpid gives.
  virtual void OnProcessGone(Process& /*process*/, int /*wait_status*/) {}
  // All its threads were let go.
  virtual void OnProcessDetached(Process& /*process*/) {}
};

class Tracer {
 public:
  Tracer(PtraceOps& ops, ExceptionSink& sink, TracerObserver& observer, TimerQueue& timers, const Clock& clock,
         TracerOptions options);

  // Attaches to a single-threaded process that waits to become the program.
  [[nodiscard]] Result<void> SeizeRoot(pid_t pid);

  // Attaches to a process that waits to become a program. It is stopped before the program's first instruction, if `park`,
  // until StartProcess().
  [[nodiscard]] Result<Process*> SeizeNewborn(pid_t pid, Job& job, bool park);
  // Attaches to all threads of a running process, which notices nothing. NOT_FOUND, ACCESS_DENIED, ALREADY_BOUND,
  // BAD_STATE (a kernel thread, a zombie).
  [[nodiscard]] Result<Process*> AttachProcess(pid_t pid, Job& job);
  // Lets a process go unsupervised, each thread as soon as it stops, with its pending signal; OnProcessDetached() follows.
  void DetachProcess(Process& process);
  // Makes a thread in the process that runs nothing until StartThread(): one of the process's own threads makes the call.
  // `done` is called once, maybe at once. NO_MEMORY, NO_RESOURCES, ACCESS_DENIED (a filter forbids it), NOT_SUPPORTED,
  // BAD_STATE (no thread can be borrowed; the process ends).
  void CreateThread(Process& process, std::function<void(Result<Thread*>)> done);
  // Lets a thread run that has been made, or the first one of a parked process, with these registers, all others at their
  // initial values, once the handlers that want to know have been told. The registers were looked at:
  // arch::ValidateStartRegs(). An error leaves it as it was. `done` is called once, maybe at once. NOT_SUPPORTED for values that
  // the kernel refuses and the thread cannot set itself; BAD_STATE when it is killed.
  void StartThread(Thread& thread, const arch::StartRegs& regs, std::function<void(Result<void>)> done);
  // Lets a thread end that was made and never started.
  void EndCreated(Thread& thread);
  // Lets a parked process run, once the handlers that want to know have been told. Nothing happens to one that was killed.
  void StartProcess(Process& process);

  // What wait told. Unknown tids are new tracees.
  void OnWait(const WaitResult& result);

  // ---- for those who answer exceptions ----
  // What the program does with a signal that a thread is stopped at.
  [[nodiscard]] Disposition LookAtDisposition(pid_t tid, int signo);
  // The program's own handler gets this fault now; `asked`: the bindings that had it first.
  void RememberFirstChance(pid_t tid, const SignalRecord& signal, std::vector<uint64_t> asked);
  // The answer to a raised exception; false when the thread is not in one (any more).
  bool AnswerException(pid_t tid, Answer answer);
  // Stops every thread of a process; `done` is called once, when all have stopped or at `deadline_ns`, maybe at once.
  // False when the process is unknown or held already.
  bool HoldProcess(pid_t pid, int64_t deadline_ns, std::function<void(size_t missing)> done);
  // Ends a hold; a process that is gone or not held is fine.
  void ReleaseProcess(pid_t pid);
  // ---- suspends: a thread runs while nothing holds it ----
  void ChangeSuspends(Thread& thread, int change);
  void ChangeSuspends(Process& process, int change);
  void SetSuspendFlag(Thread& thread, bool set);
  [[nodiscard]] static bool IsSuspended(const Thread& thread);
  // From now on the exits of this process's threads stop them; `done` is called once that is so for all.
  void WatchExits(Process& process, const std::function<void()>& done);

  // SIGKILL. A job's processes are killed, now and whenever they come.
  void KillProcess(Process& process);
  void KillJob(Job& job);
  // One thread: it makes the exit call itself. NOT_SUPPORTED for 32-bit code. The only thread takes its process along.
  [[nodiscard]] Result<void> KillThread(Thread& thread);

  // Lets everybody go unsupervised: each thread is stopped and detached where it stands, with its pending signal.
  void DetachAll();

  // ---- the registers of a thread that stands: thread_registers.cc ----
  // While it makes a call for us, those it will go on with.
  OpResult ReadRegisters(const Thread& thread, arch::Registers& out);
  OpResult WriteRegisters(Thread& thread, const arch::Registers& registers);
  // One kind, as zx_thread_read_state() has it; `out` has its size. BAD_STATE when it was killed, NOT_SUPPORTED for what the
  // machine, or a thread of 32-bit code, has not.
  [[nodiscard]] Result<void> ReadState(const Thread& thread, const arch::StateLayout& layout, std::span<std::byte> out);
  // All of them or, after an error, none. `done` is called once, maybe at once: the same errors, and INVALID_ARGS for values that
  // cannot be, with a sentence that names the first.
  void WriteState(Thread& thread, const arch::StateLayout& layout, std::span<const std::byte> in,
                  std::function<void(Result<void>)> done);
  // Once the thread makes no call for us any more, or is gone; maybe at once.
  void AfterErrand(Thread& thread, std::function<void()> then);
  // As they are to be shown.
  static void ShowStep(const Thread& thread, arch::Registers& registers) {
    if (thread.single_step) arch::ShowStepFlag(registers);
  }

  [[nodiscard]] TaskTree& tree() { return tree_; }
  [[nodiscard]] PtraceOps& ops() { return ops_; }
  [[nodiscard]] const TracerStats& stats() const { return stats_; }
  void CountLostPacket() { ++stats_.lost_packets; }
  // Those that the kernel may tell of: also threads that can only end, of processes that were let go.
  [[nodiscard]] size_t child_count() const { return tree_.thread_count() + unlisted_.size(); }
  [[nodiscard]] bool idle() const { return tree_.thread_count() == 0; }

 private:
  // A hold that has not taken effect by then goes on without the threads that are missing.
  static constexpr int64_t kMaxHoldNs = 1 * kNsPerSec;

  void OnStop(Thread& thread, const WaitStatus& status);
  void OnSignalStop(Thread& thread, int signo);
  void OnTrapStop(Thread& thread);
  void OnGroupStop(Thread& thread);
  void OnSyscallStop(Thread& thread);
  void OnChildEvent(Thread& thread);
  void OnExecEvent(pid_t pid);
  void TakeOverLeader(pid_t former, pid_t pid);
  void Revive(Thread& thread);
  void Park(Thread& thread);
  [[nodiscard]] static bool CanTellStart(const Thread& thread);
  void TellStart(Thread& thread);
  void TellStartIfFinal(pid_t tid);
  void OnExitStop(Thread& thread);
  void OnGone(pid_t tid, int status);
  void OnNewcomer(pid_t tid, const WaitStatus& status);
  void Announce(Thread& creator, pid_t tid);
  void AnnounceLastChildren(Thread& thread);
  Process& ProcessOfNewcomer(Process& creator, pid_t tid);
  void AdoptOrphan(pid_t tid);
  // Whoever has made it will be heard of.
  void WaitForCreator(pid_t tid);
  // The thread, or null if it was let go at once.
  Thread* JoinProcess(Thread& thread, Process& process);

  // Feeds the state machine and carries out the actions. The thread may be gone afterwards.
  void Apply(pid_t tid, Event event);
  void Perform(pid_t tid, const Step& step);
  void Raise(Thread& thread);
  void Resume(Thread& thread, int signo);
  void CountHeld(Process* process);
  void FirstStop(Thread& thread);
  void Forget(Thread& thread);
  void TellChange(Thread& thread);

  // ---- holds (holds.cc) ----
  [[nodiscard]] static bool IsWanted(const Thread& thread);
  [[nodiscard]] static bool NeedsToAdvance(const Thread& thread);
  void MakeExitCall(pid_t tid);
  [[nodiscard]] static bool IsSuspendWanted(const Thread& thread);
  // Sends a thread on from where it stands, to stop again before it runs any of its program.
  void InterruptAndResume(Thread& thread);
  uint64_t FindSystemCallInstruction(const Thread& thread, const arch::Registers& registers);
  void UpdateHold(pid_t tid);
  void UpdateHolds(const Process& process);

  // ---- lending (lending.cc) ----
  Thread* FindLender(const Process& process, const ThreadRequest& request);
  [[nodiscard]] static bool HasNewborn(const Process& process);
  // Somebody who is in the call that makes a thread for us has not told of it so far.
  [[nodiscard]] static bool IsMakingThread(const Process& process);
  void AskLender(Process& process);
  void AskLater(Process& process);
  void LookAtLender(Koid lender, int64_t end_ns);
  void BeginLoan(pid_t tid);
  void EndLoan(Koid lender, std::optional<int64_t> result);
  void TakeInCreated(const Thread& lender, pid_t tid);
  void FinishCreated(pid_t tid);
  void EndRequestIfMade(Process& process);
  void EndRequest(Process& process, Result<Thread*> result);
  void LoadPointers(Thread& thread, const arch::Registers& wanted, const std::function<void(Result<void>)>& done);
  void LoadPointersAt(Koid koid, uint64_t page, const arch::Registers& wanted,
                      const std::function<void(Result<void>)>& done);
  void SetVectors(const Thread& thread);
  void Begin(Thread& thread);
  void ContinueStart(pid_t tid);
  void LeaveLeaderBehind(Process& process);
  // Sends a held thread into a call. `done` gets the call's result once it stands as before, or nothing when it is gone.
  [[nodiscard]] Result<void> SendOnErrand(Thread& thread, int64_t number, const arch::CallArguments& arguments,
                                          std::function<void(std::optional<int64_t>)> done);
  // The same from wherever `going` leads, into the first call there; it stands with `back` afterwards.
  void SendWith(Thread& thread, const arch::Registers& going, const arch::Registers& back,
                std::function<void(std::optional<int64_t>)> done);
  void FailRequests(Process& process);
  void KeepLost(const Thread& thread, Errand& errand);
  void NoteSequence(const Thread& thread, Errand& errand);
  [[nodiscard]] static uint64_t MaskOf(const Errand& errand);
  int PickCarrier(const Thread& thread);
  bool IsFiltered(const Thread& thread, int64_t result);
  void OnErrandSyscall(Thread& thread);
  void OnErrandStop(Thread& thread, const WaitStatus& status);
  void OnErrandSignal(Thread& thread, int signo);
  void CarryOn(Thread& thread, Errand::Next next, int signo);
  void BringBack(Thread& thread, int signo);
  void EndAt(Thread& thread, Errand::Next next, PtraceStop stop);
  void FailErrand(Thread& thread);
  // Breaks the call off that it makes, should that never return.
  void WaitForErrand(Thread& thread);
  [[nodiscard]] bool IsKilledByFilter(const Thread& thread);

  // ---- taking up and leaving (attach.cc) ----
  Process& NewProcess(pid_t pid, Job& job);
  Process& TakeUp(pid_t pid, Job& job);
  [[nodiscard]] bool MayBeInExec(pid_t pid, const std::optional<TaskFacts>& facts, size_t threads);
  // The leader, unless that has ended before its threads.
  Result<pid_t> SeizeFirst(pid_t pid);
  void AddSeized(Process& process, pid_t tid);
  // A thread that was seized while it ran, by this tid.
  void AddRunning(Process& process, pid_t tid);
  enum class Found : uint8_t { kNothingNew, kSome, kExec };
  Result<Found> SeizeThreads(Process& process);
  void LookAtEnd(Thread& thread);
  void LookForLateThreadsAt(int64_t time_ns, Koid koid, int tries);
  // Waits so often for an exec of the process. The process may be gone afterwards.
  Result<void> SeizeAllThreads(Koid koid, int exec_tries);
  // An error when somebody else traces the thread.
  [[nodiscard]] Result<void> CheckUntraced(pid_t pid, pid_t tid);
  void TakeEndsOf(const Process& process);
  void LookForLateThreads(Thread& thread);
  void DetachHeld(Thread& thread);
  // Takes a process out whose last threads can only end.
  void ForgetIfLetGo(Process& process);
  void LeaveWhenHeld(Thread& thread);
  [[nodiscard]] static bool IsLeaving(const Thread& thread);

  // ---- interrupted calls (interrupted_call.cc) ----
  void RepairAfterSignal(Thread& thread, int signo);
  void RepairAfterInterrupt(Thread& thread);
  std::optional<arch::RestartableCall> LookUpCall(const Thread& thread, arch::Registers& registers);
  void EndRestart(Thread& thread);
  void RestartCall(Thread& thread, arch::Registers& registers, const arch::RestartableCall& call);
  void NoteSleep(Thread& thread);
  int64_t StartOfCall(const Thread& thread);
  template <typename T>
  int64_t ReadTimespecNs(const Thread& thread, uint64_t address);
  int SocketOf(const Thread& thread, const arch::RestartableCall& call);
  int64_t TimeoutResult(const Thread& thread, const arch::RestartableCall& call);
  int64_t TimeoutNs(const Thread& thread, const arch::RestartableCall& call);
  void ArmCallTimer(Thread& thread);
  void FollowWatch(Thread& thread);
  [[nodiscard]] static bool MayCountTime(const arch::Registers& registers);
  void CountHeldTime(Thread& thread);
  template <typename T>
  void SubtractTime(const Thread& thread, const arch::TimeLeft& left, int64_t held_ns);
  void DropWatch(Thread& thread);
  bool IsIgnored(Thread& thread, int signo);

  // ---- faults (fault.cc) ----
  bool LookAtSignals(Thread& thread, SignalSets& out);
  void OnPossibleException(Thread& thread, int signo);
  // From here on the process counts as dying, until the thread shows that it lives.
  void BeginDying(Thread& thread);
  // True when the death, or the exit, has to be answered before it goes on.
  bool OfferForcedDeath(Thread& thread, int signo);
  bool OfferExit(Thread& thread);
  // A thread that waits at its exit for an answer waits no longer; no thread of the process does.
  void LetExit(pid_t tid);
  void LetExits(const Process& process);
  bool FaultsAllTheTime(Thread& thread);
  void DropOwnSignal(Thread& thread, int signo);
  void OfferToDebugger(Thread& thread, int signo);
  bool ReadSignal(Thread& thread, SignalRecord& out);
  void RememberFirstFault(Thread& thread, const SignalRecord& signal, std::vector<uint64_t> asked = {});
  void CloseStatFile(Thread& thread);

  // ---- registers (thread_registers.cc) ----
  [[nodiscard]] Result<arch::Registers> ReadGeneral(const Thread& thread);
  void WriteGeneral(Thread& thread, std::span<const std::byte> in, std::function<void(Result<void>)> done);
  [[nodiscard]] Result<void> WriteSingleStep(Thread& thread, std::span<const std::byte> in);
  [[nodiscard]] Result<void> WriteSets(Thread& thread, const arch::StateLayout& layout, std::span<const std::byte> in);
  void SetStepping(Thread& thread, bool step, bool armed);
  void ClearDebug(Thread& thread);
  // Nothing stops it by its debug registers any more. Returns what they were, for Rearm(); nothing if they were off.
  [[nodiscard]] std::vector<std::byte> TakeArmed(Thread& thread);
  void Rearm(Thread& thread, std::span<const std::byte> armed);
  void Disarm(Thread& thread);

  [[nodiscard]] uint64_t Options(bool exit_stops) const;
  [[nodiscard]] uint64_t OptionsOf(const Thread& thread) const;
  void SetExitOption(Thread& thread);
  bool DetachIfUnfollowed(Thread& thread);

  PtraceOps& ops_;
  ExceptionSink& sink_;
  TracerObserver& observer_;
  TimerQueue& timers_;
  const Clock& clock_;
  TracerOptions options_;
  TracerStats stats_;
  TaskTree tree_;
  FaultStop current_fault_;  // handed to Raise() by the stop that is being handled
  size_t open_stat_files_ = 0;
  std::vector<std::byte> initial_vectors_;  // what threads start with, once it is known
  std::unordered_set<pid_t> unannounced_;   // stand at their first stop, and their creators' events are to come
  std::unordered_set<pid_t> unlisted_;      // threads of processes that were let go, which can only end
  std::unordered_set<pid_t> let_go_;        // processes of which a thread may be heard of once more, after an exec
  bool detaching_ = false;
};

}  // namespace zxctl
