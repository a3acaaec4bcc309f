// Jobs, processes and threads under supervision. Owned by the tracer's one thread; no locks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/arch.h"
#include "base/status.h"
#include "base/timer_queue.h"
#include "base/unique_fd.h"
#include "supervisor/call_watch.h"
#include "supervisor/errand.h"
#include "supervisor/signal_record.h"
#include "supervisor/sleep_clock.h"
#include "supervisor/thread_state.h"

namespace zxctl {

// Unique for the life of a tracer, never reused; 0 is nobody, the first is 1024, as Zircon counts.
using Koid = uint64_t;

struct Job {
  Koid koid = 0;
  Job* parent = nullptr;  // null for the root job
  size_t processes = 0;   // its own, not those of the jobs in it
  size_t jobs = 0;        // its own
  bool killed = false;    // no process may live in it any more
};

struct Process;

// The last fault that the program's own handler was given. A thread that faults all the time, as runtimes with implicit
// checks do, is not asked for its registers each time: then it is stale, and says nothing.
struct FirstFault {
  SignalRecord signal;
  arch::Registers registers;
  int64_t seen_ns = 0;
  uint32_t in_a_row = 0;        // faults that came right after each other
  std::vector<uint64_t> asked;  // the bindings that had the first chance
  bool stale = false;
};

// A thread that is killed alone makes the exit call itself.
enum class KillPhase : uint8_t {
  kNone,
  kWanted,  // as soon as it stands
  kMade,    // it is on its way, and nothing holds it any more
};

// Somebody waits for a thread to be started that is still on its way out of a call.
struct StartRequest {
  arch::StartRegs regs;
  std::function<void(Result<void>)> done;
};

// What a thread's debug registers say of why it stopped (dr6).
enum class DebugStatus : uint8_t {
  kAsWritten,
  kOfException,  // of the one that it is in
  kSpent,        // that has been answered
};

struct Thread {
  pid_t tid = 0;
  ThreadState state;
  // The first stop came before the creator's event, so the process is unknown as yet: null.
  Process* process = nullptr;
  Koid koid = 0;
  UniqueFd stat_fd;  // its stat file, once it was looked at
  // After a job-control stop the interrupted call fails with EINTR, supervised or not, until the next call.
  bool job_stop_broke_call = false;
  bool would_die = false;          // of the signal it stands at, if that is delivered
  bool suspend_flag = false;       // set by a suspend without a token
  bool told_suspended = false;     // what the observer heard last
  uint32_t suspends = 0;           // tokens
  int wait_status = 0;             // once it is gone
  int64_t held_since_ns = 0;       // while it is held; 0: it is not
  std::optional<SleepLook> sleep;  // that an interrupt has ended, in a process with exact timeouts
  bool counts_no_time = false;     // the call that its last interrupt broke off, if any, keeps no time in its memory
  KillPhase kill = KillPhase::kNone;
  bool exit_option = false;      // it has PTRACE_O_TRACEEXIT
  bool may_make_thread = false;  // it may have been making a thread, untraced, when it was seized
  bool created = false;          // made from outside, and not started: it runs nothing of its program
  bool single_step = false;      // it stops after each instruction
  bool armed = false;            // its debug registers can stop it
  bool inherits_debug = false;   // the kernel has given it debug registers that an armed thread has
  DebugStatus debug_status = DebugStatus::kAsWritten;
  bool inherits_kill = false;      // it has EXITKILL from a thread that was armed
  bool exit_armed = false;         // its registers are such that it would exit, were it let go
  bool lends = false;              // is to make a call for us, or makes it
  bool stop_again = false;         // job control has stopped it, and it goes on: it has to look again
  std::unique_ptr<Errand> errand;  // the call that it makes for us
  std::unique_ptr<StartRequest> start;
  std::unique_ptr<CallWatch> watch;  // a call that was restarted and has a timeout
  std::unique_ptr<FirstFault> first_fault;
  // Before somebody wrote its registers, while it stands: to write them back is to take all back.
  std::unique_ptr<arch::Registers> stood_with;
  // With which a call was set to run again, where that outlives handlers. While they are the same the call has not begun, or
  // has been broken off just as it was before.
  std::unique_ptr<arch::Registers> restarted;
};

// A wish to stop all threads of a process.
struct ProcessHold {
  size_t waiting = 0;  // threads that have yet to stop
  TimerQueue::Id timer = 0;
  std::function<void(size_t missing)> done;  // called once: all stopped, or time was up with so many missing
};

// What the first exec of a process leads to that was taken up before it.
enum class AtExec : uint8_t {
  kNothing,  // it has been, or was not waited for
  kPark,     // stands at its first instruction until it is started
  kStart,    // those who want to know of the start are told
};

// Somebody waits for a new thread.
struct ThreadRequest {
  std::vector<Koid> asked;  // threads that were to make it
  Koid lender = 0;          // the one that does; 0: it is done
  Koid made = 0;
  TimerQueue::Id timer = 0;
  int refusals = 0;  // by the kernel
  std::string why;   // why the last one that was asked could not
  std::function<void(Result<Thread*>)> done;
};

struct Process {
  pid_t pid = 0;
  Koid koid = 0;
  Job* job = nullptr;
  std::vector<Thread*> threads;
  bool unfollowed = false;  // to be detached at its first stop
  bool filtered = false;    // it has a seccomp filter: all its threads stop at exit, not only the leader
  bool looked_for_filter = false;
  bool exact_timeouts = false;  // a suspended call ends when it would have, whatever it had waited before
  bool debugged = false;        // somebody wants to hear of its threads' starts and exits
  bool detaching = false;       // its threads are let go as they stop
  AtExec at_exec = AtExec::kNothing;
  bool parked = false;       // stands at its first instruction until it is started
  bool tells_start = false;  // it was started; those who want to know are told once it has its final registers
  bool killed = false;       // by us: nobody can start it any more
  uint32_t suspends = 0;     // tokens
  int64_t start_ns = 0;      // CLOCK_MONOTONIC; 0: not started
  pid_t dying_tid = 0;       // the thread whose fatal signal has been told of; its death is everybody's. 0: none
  std::unique_ptr<ProcessHold> hold;
  std::deque<std::unique_ptr<ThreadRequest>> requests;  // the first one is being dealt with
  // By a call that a thread of it made for us.
  bool killed_by_filter = false;

  // Nothing of its program runs, or will run, before somebody starts it.
  [[nodiscard]] bool waits_for_start() const { return parked || at_exec == AtExec::kPark; }
};

class TaskTree {
 public:
  TaskTree() { root_job_.koid = NewKoid(); }
  TaskTree(const TaskTree&) = delete;
  TaskTree& operator=(const TaskTree&) = delete;

  [[nodiscard]] Thread* FindThread(pid_t tid);
  [[nodiscard]] Process* FindProcess(pid_t pid);
  Thread& AddThread(pid_t tid);
  Process& AddProcess(pid_t pid, Job& job);
  // A job below `parent`.
  Job& AddJob(Job& parent);
  // Nothing may live in the job and in those below it any more.
  void MarkKilled(Job& job);
  // Takes out a job without processes and jobs.
  void RemoveJob(Job& job);

  [[nodiscard]] Thread* FindThreadByKoid(Koid koid);
  [[nodiscard]] Process* FindProcessByKoid(Koid koid);
  [[nodiscard]] Job* FindJobByKoid(Koid koid);

  // Puts a thread that has no process yet into one.
  void Join(Thread& thread, Process& process);
  // Removes a thread, and its process with the last one. References to both end here.
  void RemoveThread(pid_t tid);
  // After exec by another thread than the leader: the thread `former` takes over the process's pid as its tid, and its
  // koid stays. The old leader is gone. Returns the thread.
  Thread& Rename(pid_t former, pid_t pid);

  [[nodiscard]] Job& root_job() { return root_job_; }
  [[nodiscard]] size_t thread_count() const { return threads_.size(); }
  // What the next task gets.
  [[nodiscard]] Koid next_koid() const { return next_koid_; }
  // No task from now on gets a lower one; one that leaves no room counts for nothing.
  void SkipKoids(Koid next);
  // Grows with every thread.
  [[nodiscard]] uint64_t births() const { return next_koid_; }
  // The pids of all processes now.
  [[nodiscard]] std::vector<pid_t> ProcessIds() const;
  [[nodiscard]] std::vector<pid_t> ThreadIds() const;
  // The tids of those that run, as far as is known.
  [[nodiscard]] std::vector<pid_t> RunningThreadIds() const;
  // The pids of the processes in a job and in the jobs below it.
  [[nodiscard]] std::vector<pid_t> ProcessIdsIn(const Job& job) const;
  [[nodiscard]] Koid NewKoid() { return next_koid_++; }

 private:
  void Leave(Thread& thread);
  void Drop(const Process& process);

  Koid next_koid_ = 1024;
  Job root_job_;
  std::unordered_map<pid_t, std::unique_ptr<Thread>> threads_;
  std::unordered_map<pid_t, std::unique_ptr<Process>> processes_;
  std::unordered_map<Koid, std::unique_ptr<Job>> jobs_;
  std::unordered_map<Koid, Thread*> threads_by_koid_;
  std::unordered_map<Koid, Process*> processes_by_koid_;
};

}  // namespace zxctl
