// Takes faults from the tracer, walks the chain, and brings the answers back.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/timer_queue.h"
#include "exceptions/chain.h"
#include "exceptions/exception.h"
#include "supervisor/exception_sink.h"
#include "supervisor/tracer.h"

namespace zxctl {

// What a handler is told.
struct ExceptionPacket {
  uint64_t key = 0;  // the binding's
  pid_t pid = 0;
  pid_t tid = 0;
  Koid process = 0;
  Koid thread = 0;
  ExceptionType type = ExceptionType::kGeneral;
  ChainLevel level = ChainLevel::kDebugger;
  Koid bound_to = 0;          // the task whose binding this is
  bool first_chance = false;  // the program's own handler comes after this one
  FaultKind kind = FaultKind::kSignal;
  SignalRecord signal = {};
  std::optional<FirstFault> first = {};  // the fault that the program's handler had, if the signal is about that
};

enum class HandlerAnswer : uint8_t {
  kPending,  // ExceptionRouter::Answer() follows
  kResume,   // dealt with: the thread goes on where it is
  kTryNext,
};

// Somebody who is bound. Called in the tracer's thread: no waiting, no throwing.
class ExceptionHandler {
 public:
  virtual ~ExceptionHandler() = default;
  virtual HandlerAnswer Offer(const ExceptionPacket& packet) = 0;
  // Tells of a thread that exits with its whole process; nobody waits for an answer.
  virtual void Tell(const ExceptionPacket& /*packet*/) {}
  // The offered exception's thread is gone, or somebody else wants to answer, or its lease is over, or the handler is no
  // longer bound. kPending: from now on an answer comes too late. Otherwise it is there already, and no other counts.
  virtual HandlerAnswer Withdraw(pid_t tid) = 0;
  // A process in this handler's reach died of a signal that could not be offered to anybody.
  virtual void OnSilentDeath(pid_t /*pid*/, int /*wait_status*/) {}
};

// True when `signal` only repeats what the program's handler was given before: the handler could not be pushed (a second
// SIGSEGV by the kernel at the same place), or it raised the signal again for itself.
[[nodiscard]] bool RepeatsFirstFault(const FirstFault& first, const arch::Registers& now, const SignalRecord& signal,
                                     pid_t pid);

class ExceptionRouter final : public ExceptionSink {
 public:
  explicit ExceptionRouter(TimerQueue& timers, const Clock& clock) : timers_(timers), clock_(clock) {}
  // Before anything else: the tracer this router answers to.
  void Attach(Tracer& tracer) { tracer_ = &tracer; }

  [[nodiscard]] Bindings& bindings() { return bindings_; }

  // A handler's answer; false when the thread waits for none from `handler` (any more).
  bool AnswerOf(ExceptionHandler& handler, pid_t tid, HandlerAnswer answer);
  // Anybody's answer instead of the one that is asked now; false when the thread waits for none, or has one already.
  bool AnswerFor(pid_t tid, HandlerAnswer answer);
  // What a thread in an exception stands at; null if it is in none.
  [[nodiscard]] const ExceptionPacket* Find(pid_t tid) const;
  // Who has not answered yet; null if nobody was asked, or all were.
  [[nodiscard]] const ExceptionHandler* AskedNow(pid_t tid) const;
  // The task is dead; see Bindings::EndTask().
  void EndTask(Koid task) { bindings_.EndTask(task); }
  // BAD_STATE when nothing is bound. Whoever waits for an answer from there goes to the next handler, unless `quietly`.
  [[nodiscard]] Result<void> Unbind(Koid task, ChainLevel level, bool quietly);
  // Unbinds a handler everywhere; the exceptions it was thinking about go to the next one.
  void RemoveHandler(ExceptionHandler& handler);

  // ExceptionSink:
  bool AsksDebugger(const Thread& thread) override;
  bool WantsFirstChance() override { return bindings_.any_first_chance(); }
  bool WantsStart(const Thread& thread, bool first_thread) override;
  bool WantsExit(const Process& process) override;
  void TellExit(const Thread& thread) override;
  Verdict Consult(const FaultStop& fault) override;
  zxctl::Answer Raise(const FaultStop& fault) override;
  zxctl::Answer Withdraw(pid_t tid) override;
  void OnSilentDeath(pid_t pid, int wait_status) override;

 private:
  struct Active {
    ChainWalk walk;
    ExceptionPacket packet;
    ExceptionHandler* handler = nullptr;  // who is asked now
    TimerQueue::Id lease = 0;
    std::vector<uint64_t> asked;  // the bindings, so far
  };

  // Asks handler after handler until one thinks, one has resumed, or the chain is over.
  zxctl::Answer Walk(pid_t tid);
  void PassOn(pid_t tid) { AnswerFor(tid, HandlerAnswer::kTryNext); }
  bool Take(pid_t tid, HandlerAnswer answer);
  // The fault that the program's handler had, if this signal only repeats it.
  [[nodiscard]] const FirstFault* RepeatedBy(const FaultStop& fault);
  [[nodiscard]] Chance ChanceFor(const FaultStop& fault, bool repeats);
  // The next handler, after finding out what the program does with the signal if that is needed to go on.
  std::optional<ChainWalk::Stop> NextStop(Active& active);
  void TakeLease(pid_t tid, Active& active, int64_t lease_ns);
  void Finish(pid_t tid, zxctl::Answer answer);
  ExceptionPacket MakePacket(const FaultStop& fault, Chance chance);

  TimerQueue& timers_;
  const Clock& clock_;
  Tracer* tracer_ = nullptr;
  Bindings bindings_;
  std::unordered_map<pid_t, Active> active_;
};

}  // namespace zxctl
