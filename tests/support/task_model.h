// What tasks, suspends, ports and exceptions do, as plain values: the reference that the real thing is compared with. No
// threads, no ptrace, no clock; every call gives the status that the real call has to give.
#pragma once

#include <zircon/syscalls.h>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace zxctl::test {

inline constexpr int kNone = -1;

// Where an answer is outstanding, and where bindings are.
enum class Level { kDebugger = 1, kThread = 2, kProcess = 3, kJob = 4, kJobDebugger = 5 };

struct ModelBinding {
  int port = kNone;
  uint64_t key = 0;
};

struct ModelException {
  enum class Kind { kFault, kStart, kExit };
  struct Place {
    Level level;
    int task;  // index of the job, process or thread
  };
  Kind kind = Kind::kFault;
  std::vector<Place> places;
  size_t next = 0;             // the place that is looked at next
  std::optional<Place> asked;  // whose answer is outstanding
  int port = kNone;            // where the packet went
  bool job_debugger_told = false;
};

struct ModelThread {
  int process = kNone;
  bool dead = false;
  bool flag = false;
  int tokens = 0;
  ModelBinding binding;
  std::optional<ModelException> exception;
};

struct ModelProcess {
  enum class Life { kNew, kAlive, kDead, kDetached };
  int job = kNone;
  Life life = Life::kNew;
  bool started = false;
  int64_t return_code = 0;
  int tokens = 0;
  std::vector<int> threads;  // in the order of their birth
  ModelBinding binding;
  ModelBinding debugger;
  bool waits_to_begin = false;  // its first thread has not run yet
};

struct ModelJob {
  int parent = kNone;
  bool killed = false;
  ModelBinding binding;
  ModelBinding debugger;
};

struct ModelPacket {
  int port = kNone;
  uint64_t key = 0;
  uint32_t type = 0;
  int process = kNone;
  int thread = kNone;
};

class TaskModel {
 public:
  std::vector<ModelJob> jobs;
  std::vector<ModelProcess> processes;
  std::vector<ModelThread> threads;
  std::vector<bool> port_open;
  // Those queued since somebody took them.
  std::vector<ModelPacket> packets;
  // Processes whose first thread has begun to run, and makes its others, since somebody looked.
  std::vector<int> begun;

  // ---- what is done ----
  zx_status_t CreateJob(int parent, int* out);
  zx_status_t Spawn(int job, int* out_process);
  zx_status_t Start(int process);
  // The first thread of the process has made another one.
  int AddThread(int process);
  zx_status_t Bind(Level level, int task, int port, uint64_t key);
  zx_status_t Unbind(Level level, int task, bool quietly);
  void ClosePort(int port);
  zx_status_t SuspendThread(int thread);
  zx_status_t SuspendProcess(int process);
  void CloseThreadToken(int thread);
  void CloseProcessToken(int process);
  zx_status_t SetFlag(int thread);
  zx_status_t Resume(int thread);
  zx_status_t ResumeException(int thread, bool try_next);
  // `port` kNone: a port that nothing was ever sent to.
  zx_status_t ResumeFromException(int thread, int port, bool try_next);
  zx_status_t KillThread(int thread);
  zx_status_t KillProcess(int process);
  void KillJob(int job);
  zx_status_t Detach(int process);
  // ---- what a program does ----
  void Fault(int thread);
  void ExitThread(int thread);
  void ExitProcess(int process, int code) { EndProcess(process, code); }
  // All other threads end; this one goes on as the first.
  void Exec(int thread);
  int Fork(int process);

  // ---- what is seen ----
  [[nodiscard]] bool IsSuspended(int thread) const;
  // It runs its own code: it can be told to do something.
  [[nodiscard]] bool Runs(int thread) const;
  [[nodiscard]] zx_signals_t ThreadSignals(int thread) const;
  [[nodiscard]] uint32_t ThreadState(int thread) const;
  [[nodiscard]] uint32_t WaitType(int thread) const;
  [[nodiscard]] zx_signals_t JobSignals(int job) const;
  [[nodiscard]] bool IsIn(int job, int above) const;

 private:
  ModelBinding& BindingAt(Level level, int task);
  [[nodiscard]] bool IsDead(Level level, int task) const;
  void Raise(int thread, ModelException exception);
  void Walk(int thread);
  void EndException(int thread);
  void PassOn(int thread);
  void EndThread(int thread);
  void EndProcess(int process, int64_t code);
  void Begin(int process);
  [[nodiscard]] ModelException StartException(int process, bool first_thread) const;
};

}  // namespace zxctl::test
