// A program that works with task handles, as the tracer sees it: what it has bound, suspended and watches, and the ring
// between. All of it is undone when the program ends. One thread: the tracer's.
//
// Nothing here trusts the client: a message that cannot be is the end of the client, and of nobody else.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "exceptions/router.h"
#include "ring/channel.h"
#include "ring/task_protocol.h"
#include "service/outbox.h"
#include "supervisor/tracer.h"

namespace zxctl::service {

class Client;

// A port of the client, as whoever is asked about exceptions.
class PortHandler final : public ExceptionHandler {
 public:
  PortHandler(Client& client, uint64_t port) : client_(client), port_(port) {}
  HandlerAnswer Offer(const ExceptionPacket& packet) override;
  void Tell(const ExceptionPacket& packet) override;
  HandlerAnswer Withdraw(pid_t tid) override;
  [[nodiscard]] uint64_t port() const { return port_; }

 private:
  Client& client_;
  uint64_t port_;
};

class Client {
 public:
  // `alive` is readable, or at its end, once the client has ended.
  Client(ring::Channel channel, UniqueFd alive, const ring::HelloCommand& hello, Tracer& tracer,
         ExceptionRouter& router);
  ~Client();

  // Deals with commands that are there, not all of them at once. True if there were any.
  bool TakeCommands();
  // How soon changes of tasks are told; all else is told at once.
  enum class News : uint8_t {
    kAtOnce,
    kGathered,  // many more are about to come: not before kGatherNs after the first
  };
  // Sends what there is to say, and wakes the client for it.
  void Flush(News news = News::kAtOnce);
  // Before the tracer sleeps: from here on the client has to wake it. False when there is something to do already; news
  // that are gathered are not.
  [[nodiscard]] bool BeginSleep(News news = News::kAtOnce);
  void EndSleep();
  // True once it wrote what cannot be. Then Leave().
  [[nodiscard]] bool broken() const { return broken_; }
  // False once the client has ended, or is broken. Then Leave().
  [[nodiscard]] bool IsThere();
  // Undoes all that the client has done; its tasks run on unsupervised, those never started die.
  void Leave();

  // ---- news from the tracer ----
  void OnProcessBorn(const Process& process);
  void OnParked(const Process& process) { AnswerWaiting(process.koid, ZX_OK); }
  void OnTakesOver(const Thread& thread, pid_t leader);
  void OnThreadChanged(const Thread& thread);
  void OnThreadGone(const Thread& thread);
  void OnProcessGone(const Process& process, int wait_status);
  void OnProcessDetached(const Process& process);

 private:
  static constexpr int64_t kGatherNs = 500 * kNsPerUs;

  friend class PortHandler;

  // The exceptions that were offered to this client and not answered.
  struct Slot {
    uint64_t generation = 0;
    pid_t tid = 0;  // 0: free
    PortHandler* handler = nullptr;
  };
  struct Watch {
    uint64_t grants = 0;  // how often the client was told of it so that it could make an object
    bool dirty = false;
  };
  struct Tokens {
    uint32_t count = 0;
    bool flag = false;
  };

  // ---- commands (commands.cc) ----
  void Dispatch(const ring::Message& message);
  void DoSpawnOrAttach(const ring::Command& command, bool attach);
  void Refuse(const ring::Command& command, const Status& status);
  void DoDetach(const ring::Command& command);
  void DoAwaitExec(const ring::Command& command);
  void DoCreateThread(const ring::Command& command);
  void DoStartThread(const ring::Command& command, std::span<const std::byte> bytes);
  void DoStart(const ring::Command& command);
  void DoEndNewborn(const ring::Command& command);
  void DoBind(const ring::Command& command);
  void DoUnbind(const ring::Command& command);
  void DoAnswer(const ring::Command& command);
  void DoAnswerFor(const ring::Command& command);
  void DoSuspend(const ring::Command& command);
  void DoKill(const ring::Command& command);
  void DoFind(const ring::Command& command);
  void DoList(const ring::Command& command);
  void DoThreadInfo(const ring::Command& command);
  void DoProcessInfo(const ring::Command& command);
  void DoExceptionInfo(const ring::Command& command);
  void DoReadState(const ring::Command& command);
  void DoWriteState(const ring::Command& command, std::span<const std::byte> bytes);
  const arch::StateLayout* FindState(const ring::Command& command);
  // The registers of threads from `next` on, as many as fit; `next` is then the first that is left.
  void AppendFurther(const std::vector<Thread*>& threads, size_t& next, std::vector<std::byte>& out);
  void SendFurther(const ring::Command& command, const std::vector<Thread*>& threads, size_t next);
  void DoReadMemory(const ring::Command& command);
  void DoWriteMemory(const ring::Command& command, std::span<const std::byte> bytes);
  void DoNewJob(const ring::Command& command);
  void DoEndJob(const ring::Command& command);
  void DoEndPort(uint64_t port);
  // Where a binding goes: the koid and the level; nothing when the task is dead or the options do not fit, and the reply
  // is out.
  struct Place {
    Koid task;
    ChainLevel level;
  };
  std::optional<Place> FindPlace(const ring::Command& command);
  PortHandler& HandlerOf(uint64_t port);
  // The thread, if it stands so that its registers can be had; else the reply is out.
  Thread* StandingThread(const ring::Command& command, const arch::StateLayout& layout);

  void Answer(const ring::Command& command, int32_t zx, std::string_view what = {}, int sys_errno = 0);
  void Answer(const ring::Command& command, const Status& status);
  void AnswerWaiting(Koid process, int32_t zx);
  void Put(ring::NoticeType type, std::span<const std::byte> head, std::span<const std::byte> tail = {});
  void AnswerBytes(const ring::Command& command, std::span<const std::byte> bytes, uint64_t count = 0);
  template <typename T>
  void AnswerWith(const ring::Command& command, const T& value) {
    AnswerBytes(command, std::as_bytes(std::span(&value, 1)));
  }
  void AnswerTask(const ring::Command& command, ring::TaskRecord task, std::span<const std::byte> bytes = {});
  void Send(uint64_t seq, int32_t zx, int sys_errno, const ring::TaskRecord& task, std::span<const std::byte> bytes);

  // ---- what the client is told ----
  HandlerAnswer OfferTo(PortHandler& handler, const ExceptionPacket& packet);
  void TellOf(PortHandler& handler, const ExceptionPacket& packet);
  ring::ExceptionNotice NoticeOf(const PortHandler& handler, const ExceptionPacket& packet);
  // What the client has answered by now; kPending: nothing, and nothing that it says counts any more.
  HandlerAnswer WithdrawFrom(pid_t tid);
  // What the slot's word says.
  [[nodiscard]] HandlerAnswer AnswerIn(uint32_t index) const;
  void FreeSlot(uint32_t index);
  void WatchTask(Koid koid) { ++watched_[koid].grants; }
  void Unwatch(Koid koid, uint64_t grants);
  void MarkDirty(Koid koid);
  void MarkJobDirty(const Job& job);
  void SendTask(ring::TaskRecord record);
  void SendDirty();
  [[nodiscard]] bool IsTimeForNews(News news);
  void Wake();
  [[nodiscard]] bool HasItsMemory() const;
  void WakeSleepers();
  // Wakes one of those who sleep there; false when nobody does.
  static bool Ring(ring::Bell& bell);
  void SendException(const ring::ExceptionNotice& notice);
  [[nodiscard]] ring::TaskRecord ForClient(ring::TaskRecord record) const;
  void DropSuspends();

  ring::Channel channel_;
  Outbox outbox_;
  ring::Message incoming_;  // kept for its memory
  UniqueFd alive_;
  pid_t pid_;
  UniqueFd pidfd_;
  UniqueFd memory_;  // its list of mappings; empty once that memory is no more
  Tracer& tracer_;
  ExceptionRouter& router_;
  bool broken_ = false;
  uint64_t last_seq_ = 0;

  std::unordered_map<uint64_t, std::unique_ptr<PortHandler>> ports_;
  std::unordered_map<uint64_t, Job*> jobs_;       // by the client's koid
  std::unordered_map<Koid, uint64_t> job_koids_;  // the client's, by ours
  std::unordered_map<Koid, Watch> watched_;
  std::vector<uint64_t> rung_;  // the ports that the client has not been woken for since they got exceptions
  std::vector<Koid> dirty_;
  int64_t dirty_since_ns_ = 0;  // 0: nobody has looked since it was empty
  std::unordered_set<Koid> dirty_jobs_;
  std::unordered_map<Koid, Tokens> tokens_;
  std::unordered_map<Koid, ring::Command> waiting_;  // who waits until a process has executed its program, or is let go
  // Who waits until a process is let go again that could not be attached to.
  std::unordered_map<Koid, std::pair<ring::Command, Status>> refused_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::unordered_map<pid_t, uint32_t> slot_of_;  // by tid
};

}  // namespace zxctl::service
