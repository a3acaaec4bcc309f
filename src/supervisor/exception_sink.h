// Where faults go. The supervisor defines this interface; the room above implements it.
#pragma once

#include <sys/types.h>

#include <optional>

#include "supervisor/disposition.h"
#include "supervisor/signal_record.h"
#include "supervisor/task_tree.h"

namespace zxctl {

// What a thread stands at.
enum class FaultKind : uint8_t {
  kSignal,       // a signal that could be an exception
  kForcedDeath,  // its exit stop, dying of a signal that was never offered: no handler can make it go on
  kStart,        // before its first instruction
  kExit,         // its exit stop, having called exit for itself
};

// A thread at something that handlers may want to hear of.
struct FaultStop {
  Thread* thread = nullptr;  // with a process; valid during the call only
  SignalRecord signal = {};
  // What the program does with it. Nothing: not looked at yet, because somebody is asked first in any case.
  std::optional<Disposition> disposition = {};
  FaultKind kind = FaultKind::kSignal;
  bool first_thread = false;  // kStart: with it the process starts
};

enum class Verdict : uint8_t {
  kDeliver,  // nobody wants to see it: the signal takes its course at once
  kRaise,    // somebody does: Raise() comes next
};

enum class Answer : uint8_t {
  kPending,  // somebody was asked; the tracer's Answer() is called later
  kResume,
  kDeliver,
};

class ExceptionSink {
 public:
  virtual ~ExceptionSink() = default;

  // True when a debugger is bound to the thread's process: it is asked whatever the program does with the signal.
  virtual bool AsksDebugger(const Thread& thread) = 0;
  // True when somebody may want a fault that the program's own handler gets.
  virtual bool WantsFirstChance() = 0;
  // True when somebody is to be told before the thread runs its first instruction.
  virtual bool WantsStart(const Thread& thread, bool first_thread) = 0;
  // True when somebody is to be told that a thread of this process exits.
  virtual bool WantsExit(const Process& process) = 0;
  // Tells of a thread that exits with its whole process: nobody is waited for.
  virtual void TellExit(const Thread& thread) = 0;
  // A quick look at a signal that could be an exception: does anybody want it?
  virtual Verdict Consult(const FaultStop& fault) = 0;
  // Offers the exception to the first handler. The thread stays stopped until it is answered.
  virtual Answer Raise(const FaultStop& fault) = 0;
  // A raised exception's thread is gone, or goes its own way; no answer is needed any more. kResume when that is the answer
  // that somebody has just given; otherwise kPending.
  virtual Answer Withdraw(pid_t tid) = 0;
  // A process has died of a signal without any stop that could be offered, and there is nothing left to look at.
  virtual void OnSilentDeath(pid_t pid, int wait_status) = 0;
};

}  // namespace zxctl
