// The way to the tracer, for those below it: waiting threads, jobs and ports. The room above implements it; a program that
// has no tasks has none.
#pragma once

#include <zircon/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "object/ref_counted.h"

namespace zxctl {

class Dispatcher;

class TracerLink {
 public:
  virtual ~TracerLink() = default;

  // Null until the first task. Any thread.
  [[nodiscard]] static TracerLink* Current();
  // Whoever was current is kept: threads may be in it.
  static void SetCurrent(TracerLink* link);

  // From now on somebody takes in whatever comes as soon as it comes: descriptors tell of it. Also of tracers to come.
  static void Serve();
  // True when a new tracer has to be served at once: because of Serve(), or because threads sleep who do not know of it.
  [[nodiscard]] static bool HasToBeServed();

  // False once the tracer is gone.
  [[nodiscard]] virtual bool is_there() const = 0;
  // Sleeps while `word` is `seen`, and takes in meanwhile what comes from the tracer. `port` is the port that is waited at, if
  // any: its packets wake this thread rather than others. False at the deadline (CLOCK_MONOTONIC; kNever: none); true means
  // "look again".
  virtual bool Sleep(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns, zx_koid_t port) = 0;
  // Takes in what has come.
  virtual void TakeIn() = 0;
  // From now on a thread of its own takes in whatever comes.
  virtual void KeepTakingIn() = 0;

  // The processes of a job. PEER_CLOSED. May throw std::bad_alloc.
  virtual zx_status_t ListProcesses(zx_koid_t job, std::vector<zx_koid_t>* out) = 0;
  virtual RefPtr<Dispatcher> FindProcess(zx_koid_t job, zx_koid_t process) = 0;
  virtual void KillJob(zx_koid_t job) = 0;
  // The job is about to go.
  virtual void EndJob(zx_koid_t job) = 0;
  // The port has lost its last handle: its bindings are undone.
  virtual void EndPort(zx_koid_t port) = 0;
};

// As FutexWait() and TracerLink::Sleep(), whichever there is.
bool SleepOn(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns, zx_koid_t port = ZX_KOID_INVALID);
// Takes in what has come, where there is a tracer.
void TakeInEvents();

}  // namespace zxctl
