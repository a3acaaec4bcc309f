// Who is asked about an exception, and in what order: debugger, thread, process, job, parent job … root job. The start of a
// process is told to the nearest job with a debugger, starts and exits of threads to the process's debugger.
// Pure; handlers are looked up at each step, not up front.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/status.h"
#include "supervisor/task_tree.h"

namespace zxctl {

class ExceptionHandler;

// The levels of the walk; the numbers are those of the thread info's wait_exception_port_type.
enum class ChainLevel : uint32_t { kDebugger = 1, kThread = 2, kProcess = 3, kJob = 4, kJobDebugger = 5 };

struct Binding {
  ExceptionHandler* handler = nullptr;
  uint64_t key = 0;
  bool first_chance = false;  // asked before the program's own signal handler
  int64_t lease_ns = 0;       // an answer later than this counts as "next handler"; 0: no limit
  uint64_t id = 0;            // given by Bindings; no other binding ever has it
};

// The slots of all tasks: one ordinary slot for each task, one more for the debugger of a process or a job.
class Bindings {
 public:
  // ALREADY_BOUND when the slot is taken.
  [[nodiscard]] Result<void> Bind(Koid task, ChainLevel level, const Binding& binding);
  // BAD_STATE when nothing is bound, or was when the task ended.
  [[nodiscard]] Result<void> Unbind(Koid task, ChainLevel level);
  // What is bound now; null if nothing is.
  [[nodiscard]] const Binding* Find(Koid task, ChainLevel level) const;
  // True when any binding asks for the first chance, debuggers included.
  [[nodiscard]] bool any_first_chance() const { return first_chances_ > 0; }
  // True when any debugger is bound.
  [[nodiscard]] bool any_debugger() const { return debuggers_ > 0; }
  // The task is dead: nobody is asked there any more, but what was bound can still be unbound, until ForgetTask().
  void EndTask(Koid task);
  // Drops every slot of a task that nobody refers to.
  void ForgetTask(Koid task);
  // Drops every slot of a handler that is gone.
  void ForgetHandler(const ExceptionHandler* handler);

 private:
  using Slots = std::map<std::pair<Koid, ChainLevel>, Binding>;
  Slots::iterator Erase(Slots::iterator slot);

  Slots slots_;
  Slots ended_;  // those of dead tasks
  uint64_t last_id_ = 0;
  size_t first_chances_ = 0;
  size_t debuggers_ = 0;
};

// Which bindings a walk asks.
enum class Chance : uint8_t {
  kFirst,      // the program's own handler comes next: the debugger and those who asked to go first
  kSecond,     // the program would die of what its handler had: everybody who was not asked before that
  kBoth,       // nothing of the program's runs: everybody
  kUndecided,  // only the debugger, until it is known what the program does with the signal
};

// One walk up the chain for one exception. Holds no pointer into the tree: a task may end while a handler thinks.
class ChainWalk {
 public:
  struct Stop {
    ChainLevel level = ChainLevel::kDebugger;
    Koid task = 0;
    Binding binding;
  };

  // For a fault of the thread.
  ChainWalk(const Thread& thread, Chance chance);
  // For its start; `first_thread`: and that of its process.
  [[nodiscard]] static ChainWalk ForStart(const Thread& thread, bool first_thread);
  // For the exit of a thread of this process.
  [[nodiscard]] static ChainWalk ForExit(const Process& process);

  // For the second chance: the bindings that had the first.
  void Skip(std::vector<uint64_t> asked) { skipped_ = std::move(asked); }
  // Decides an undecided walk; those who were asked are not asked again.
  void Decide(Chance chance) { chance_ = chance; }
  [[nodiscard]] bool undecided() const { return chance_ == Chance::kUndecided; }

  // The next handler that is bound now, or nothing at the end of the chain. An undecided walk ends behind the debugger.
  [[nodiscard]] std::optional<Stop> Next(const Bindings& bindings);

 private:
  struct Place {
    ChainLevel level;
    Koid task;
  };
  explicit ChainWalk(std::vector<Place> places) : places_(std::move(places)), chance_(Chance::kBoth) {}
  [[nodiscard]] bool Asks(ChainLevel level, const Binding& binding) const;

  std::vector<Place> places_;
  std::vector<uint64_t> skipped_;
  size_t next_ = 0;
  bool job_debugger_told_ = false;
  Chance chance_;
};

}  // namespace zxctl
