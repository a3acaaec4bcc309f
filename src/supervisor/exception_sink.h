// Where faults go. The supervisor defines this interface; the room above implements it.
#pragma once

#include <sys/types.h>

#include <optional>

#include "supervisor/disposition.h"
#include "supervisor/signal_record.h"
#include "supervisor/task_tree.h"

namespace zxctl {

// A thread at a signal that could be an exception, or dying of one.
struct FaultStop {
  Thread* thread = nullptr;  // with a process; valid during the call only
  SignalRecord signal = {};
  // What the program does with it. Nothing: not looked at yet, because somebody is asked first in any case.
  std::optional<Disposition> disposition = {};
  bool forced_death = false;  // at its exit stop: no handler can make it go on
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
  // A quick look at a signal that could be an exception: does anybody want it?
  virtual Verdict Consult(const FaultStop& fault) = 0;
  // Offers the exception to the first handler. The thread stays stopped until it is answered.
  virtual Answer Raise(const FaultStop& fault) = 0;
  // A raised exception's thread is gone; no answer is needed any more.
  virtual void Withdraw(pid_t tid) = 0;
  // A process has died of a signal without any stop that could be offered, and there is nothing left to look at.
  virtual void OnSilentDeath(pid_t pid, int wait_status) = 0;
};

}  // namespace zxctl
