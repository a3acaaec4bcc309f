#include "service/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <new>
#include <utility>

#include "service/task_records.h"

namespace zxctl::service {
namespace {

// Between two looks at the tracees no more commands than this are dealt with.
constexpr int kCommandsAtOnce = 64;
// A client that asks and does not listen is not listened to.
constexpr size_t kMaxWaitingMessages = 1024;
// Nor told of exceptions for ever: every thread that may wait for it has said so, and the end of as many others.
constexpr size_t kMaxWaitingNotices = 2 * ring::kSlots;

ring::SharedState& Shared(const ring::Channel& channel) {
  return *std::launder(reinterpret_cast<ring::SharedState*>(channel.shared().data()));
}

void FutexWakeShared(std::atomic<uint32_t>& word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

}  // namespace

HandlerAnswer PortHandler::Offer(const ExceptionPacket& packet) { return client_.OfferTo(*this, packet); }
void PortHandler::Tell(const ExceptionPacket& packet) { client_.TellOf(*this, packet); }
HandlerAnswer PortHandler::Withdraw(pid_t tid) { return client_.WithdrawFrom(tid); }

Client::Client(ring::Channel channel, UniqueFd alive, const ring::HelloCommand& hello, Tracer& tracer,
               ExceptionRouter& router)
    : channel_(std::move(channel)),
      outbox_(channel_.out()),
      alive_(std::move(alive)),
      pid_(hello.pid),
      pidfd_(static_cast<int>(syscall(SYS_pidfd_open, hello.pid, 0))),
      memory_(open(fmt::format("/proc/{}/maps", hello.pid).c_str(), O_RDONLY | O_CLOEXEC)),
      tracer_(tracer),
      router_(router) {
  tracer_.tree().SkipKoids(hello.next_koid);
  Job& root = tracer_.tree().root_job();
  jobs_[hello.root_job] = &root;
  job_koids_[root.koid] = hello.root_job;
  const ring::ReadyNotice ready{.tracer_pid = getpid()};
  Put(ring::NoticeType::kReady, std::as_bytes(std::span(&ready, 1)));
  Flush();
}

Client::~Client() = default;

void Client::Put(ring::NoticeType type, std::span<const std::byte> head, std::span<const std::byte> tail) {
  Shared(channel_).next_koid.store(tracer_.tree().next_koid(), std::memory_order_relaxed);
  outbox_.Send(static_cast<uint32_t>(type), head, tail);
}

bool Client::TakeCommands() {
  bool any = false;
  for (int i = 0; i < kCommandsAtOnce && !broken_ && outbox_.waiting() < kMaxWaitingMessages; ++i) {
    const auto got = channel_.in().Read(incoming_);
    if (!got) {
      broken_ = true;
      break;
    }
    if (!*got) break;
    any = true;
    Dispatch(incoming_);
  }
  ring::RingHeader& header = channel_.in().header();
  if (any && header.short_of_room.exchange(0) != 0) {
    header.room.fetch_add(1);
    FutexWakeShared(header.room, INT_MAX);
  }
  return any;
}

void Client::Flush(News news) {
  if (outbox_.Flush() && IsTimeForNews(news)) SendDirty();
  if (outbox_.TakeWrote()) Wake();
}

bool Client::IsTimeForNews(News news) {
  if (news == News::kAtOnce || dirty_.empty()) return true;
  const int64_t now_ns = MonotonicNs();
  if (dirty_since_ns_ == 0) dirty_since_ns_ = now_ns;
  return now_ns - dirty_since_ns_ >= kGatherNs;
}

void Client::Wake() {
  WakeSleepers();
  rung_.clear();
}

void Client::WakeSleepers() {
  ring::RingHeader& header = channel_.out().header();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (header.sleepers.load() == 0) return;
  // A thread of a program that supervises itself may be held just then.
  if (tracer_.tree().FindProcess(pid_) != nullptr) return FutexWakeShared(header.wake, INT_MAX);
  // Whoever is woken tells the others; those who wait for the packets are spared that.
  bool any = false;
  for (const uint64_t port : rung_) any |= Ring(Shared(channel_).BellOf(port));
  if (!any) FutexWakeShared(header.wake, 1);
}

bool Client::Ring(ring::Bell& bell) {
  if (bell.sleepers.load() == 0) return false;
  bell.rings.fetch_add(1);
  FutexWakeShared(bell.rings, 1);
  return true;
}

bool Client::BeginSleep(News news) {
  channel_.in().header().sleepers.store(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool nothing = !channel_.in().has_messages() || outbox_.waiting() >= kMaxWaitingMessages;
  // What has changed is told once there is room, and whoever makes room wakes us.
  const bool tells = news == News::kAtOnce && outbox_.waiting() == 0;
  return nothing && (!tells || (dirty_.empty() && dirty_jobs_.empty()));
}

void Client::EndSleep() { channel_.in().header().sleepers.store(0, std::memory_order_relaxed); }

bool Client::IsThere() {
  if (broken_) return false;
  std::array<pollfd, 2> ends = {pollfd{.fd = alive_.get(), .events = POLLIN | POLLRDHUP, .revents = 0},
                                pollfd{.fd = pidfd_.get(), .events = POLLIN, .revents = 0}};
  return poll(ends.data(), ends.size(), 0) == 0 && HasItsMemory();
}

// Of a program that has executed another one while a child of it keeps the descriptor, only this tells.
bool Client::HasItsMemory() const {
  char byte = 0;
  return pread(memory_.get(), &byte, 1, 0) != 0;
}

void Client::Leave() {
  DropSuspends();
  for (const pid_t pid : tracer_.tree().ProcessIds()) {
    Process* process = tracer_.tree().FindProcess(pid);
    if (process != nullptr && process->waits_for_start()) tracer_.KillProcess(*process);
  }
  // Before its handlers go: what a thread stands at that was stepped for them is for nobody else.
  tracer_.DetachAll();
  for (auto& [koid, handler] : ports_) router_.RemoveHandler(*handler);
  ports_.clear();
}

void Client::DropSuspends() {
  for (const auto& [koid, tokens] : std::exchange(tokens_, {})) {
    const int change = -static_cast<int>(tokens.count);
    if (Thread* thread = tracer_.tree().FindThreadByKoid(koid); thread != nullptr) {
      if (tokens.flag) tracer_.SetSuspendFlag(*thread, false);
      thread = tracer_.tree().FindThreadByKoid(koid);
      if (thread != nullptr) tracer_.ChangeSuspends(*thread, change);
    } else if (Process* process = tracer_.tree().FindProcessByKoid(koid); process != nullptr) {
      tracer_.ChangeSuspends(*process, change);
    }
  }
}

// ---- news ------------------------------------------------------------------------------------------------------------

void Client::MarkDirty(Koid koid) {
  const auto found = watched_.find(koid);
  if (found == watched_.end() || std::exchange(found->second.dirty, true)) return;
  dirty_.push_back(koid);
}

// The client may have been told of the task anew while it gave up the object it had.
void Client::Unwatch(Koid koid, uint64_t grants) {
  const auto found = watched_.find(koid);
  // It is dead; now nobody can unbind anything from it either.
  if (found == watched_.end()) return router_.bindings().ForgetTask(koid);
  found->second.grants -= std::min(grants, found->second.grants);
  if (found->second.grants == 0) watched_.erase(found);
}

void Client::MarkJobDirty(const Job& job) {
  if (job_koids_.contains(job.koid)) dirty_jobs_.insert(job.koid);
}

void Client::SendDirty() {
  dirty_since_ns_ = 0;
  for (const Koid koid : std::exchange(dirty_, {})) {
    const auto found = watched_.find(koid);
    if (found == watched_.end()) continue;
    found->second.dirty = false;
    if (const Thread* thread = tracer_.tree().FindThreadByKoid(koid); thread != nullptr && thread->process != nullptr) {
      SendTask(RecordOf(*thread));
    } else if (const Process* process = tracer_.tree().FindProcessByKoid(koid); process != nullptr) {
      SendTask(RecordOf(*process));
    }
  }
  for (const Koid koid : std::exchange(dirty_jobs_, {})) {
    const Job* job = tracer_.tree().FindJobByKoid(koid);
    const auto known = job_koids_.find(koid);
    if (job == nullptr || known == job_koids_.end()) continue;
    const ring::JobRecord record{.koid = known->second, .processes = job->processes};
    Put(ring::NoticeType::kJob, std::as_bytes(std::span(&record, 1)));
  }
}

ring::TaskRecord Client::ForClient(ring::TaskRecord record) const {
  const auto job = job_koids_.find(record.job);
  record.job = job == job_koids_.end() ? 0 : job->second;
  record.seq = last_seq_;
  return record;
}

void Client::SendTask(ring::TaskRecord record) {
  record = ForClient(record);
  Put(ring::NoticeType::kTask, std::as_bytes(std::span(&record, 1)));
}

void Client::OnProcessBorn(const Process& process) { MarkJobDirty(*process.job); }

void Client::OnTakesOver(const Thread& thread, pid_t leader) {
  if (thread.process == nullptr || !watched_.contains(thread.koid)) return;
  ring::TaskRecord record = RecordOf(thread);
  record.tid = leader;
  SendTask(record);
}

void Client::OnThreadChanged(const Thread& thread) {
  if (thread.process != nullptr) MarkDirty(thread.koid);
}

void Client::OnThreadGone(const Thread& thread) {
  tokens_.erase(thread.koid);
  if (watched_.erase(thread.koid) == 0) return router_.bindings().ForgetTask(thread.koid);
  if (thread.process == nullptr) return;
  ring::TaskRecord record = RecordOf(thread);
  // One that was never started goes with its tracer.
  const bool goes_on = thread.process->detaching && thread.state.life == Lifecycle::kAlive && !thread.created;
  record.life = goes_on ? ring::TaskLife::kDetached : ring::TaskLife::kDead;
  record.suspended = 0;
  SendTask(record);
}

void Client::OnProcessGone(const Process& process, int wait_status) {
  MarkJobDirty(*process.job);
  tokens_.erase(process.koid);
  if (watched_.erase(process.koid) != 0) {
    ring::TaskRecord record = RecordOf(process);
    record.life = ring::TaskLife::kDead;
    record.wait_status = wait_status;
    record.return_code = ReturnCode(wait_status);
    SendTask(record);
  } else {
    router_.bindings().ForgetTask(process.koid);
  }
  // A detach is over with the process, and what was to be parked will not be.
  AnswerWaiting(process.koid, process.detaching ? ZX_OK : ZX_ERR_BAD_STATE);
}

void Client::OnProcessDetached(const Process& process) {
  MarkJobDirty(*process.job);
  tokens_.erase(process.koid);
  if (watched_.erase(process.koid) != 0) {
    ring::TaskRecord record = RecordOf(process);
    record.life = ring::TaskLife::kDetached;
    SendTask(record);
  } else {
    router_.bindings().ForgetTask(process.koid);
  }
  AnswerWaiting(process.koid, ZX_OK);
}

// ---- exceptions ------------------------------------------------------------------------------------------------------

ring::ExceptionNotice Client::NoticeOf(const PortHandler& handler, const ExceptionPacket& packet) {
  ring::ExceptionNotice notice{.port = handler.port(),
                               .key = packet.key,
                               .level = static_cast<uint32_t>(packet.level),
                               .exception = RecordOf(packet)};
  const Thread* thread = tracer_.tree().FindThread(packet.tid);
  if (thread == nullptr || thread->process == nullptr) return notice;
  notice.thread = ForClient(RecordOf(*thread));
  const bool readable = packet.kind != FaultKind::kExit;
  notice.has_registers = readable && tracer_.ReadRegisters(*thread, notice.registers).ok();
  Tracer::ShowStep(*thread, notice.registers);
  return notice;
}

HandlerAnswer Client::OfferTo(PortHandler& handler, const ExceptionPacket& packet) {
  // Nothing can be done about it, and there is no packet for it.
  if (packet.kind == FaultKind::kForcedDeath) return HandlerAnswer::kTryNext;
  const bool no_slot = free_slots_.empty() && slots_.size() == ring::kSlots;
  if (no_slot || outbox_.waiting() >= kMaxWaitingNotices) {
    tracer_.CountLostPacket();
    return HandlerAnswer::kTryNext;
  }
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[index];
  slot = {.generation = slot.generation + 1, .tid = packet.tid, .handler = &handler};
  slot_of_[packet.tid] = index;
  Shared(channel_).slots[index].store(ring::SlotWord(slot.generation, ring::SlotPhase::kOffered));
  ring::ExceptionNotice notice = NoticeOf(handler, packet);
  notice.slot = index;
  notice.generation = slot.generation;
  // The client makes itself an object of the thread by this, and hears of its end.
  WatchTask(packet.thread);
  SendException(notice);
  return HandlerAnswer::kPending;
}

void Client::TellOf(PortHandler& handler, const ExceptionPacket& packet) {
  if (outbox_.waiting() >= kMaxWaitingNotices) return tracer_.CountLostPacket();
  ring::ExceptionNotice notice = NoticeOf(handler, packet);
  notice.slot = ring::kSlots;  // no answer is expected
  WatchTask(packet.thread);
  SendException(notice);
}

void Client::SendException(const ring::ExceptionNotice& notice) {
  Put(ring::NoticeType::kException, std::as_bytes(std::span(&notice, 1)));
  if (rung_.size() < ring::kBells) rung_.push_back(notice.port);
}

HandlerAnswer Client::WithdrawFrom(pid_t tid) {
  const auto found = slot_of_.find(tid);
  if (found == slot_of_.end()) return HandlerAnswer::kPending;
  const uint32_t index = found->second;
  uint64_t offered = ring::SlotWord(slots_[index].generation, ring::SlotPhase::kOffered);
  const uint64_t taken_back = ring::SlotWord(slots_[index].generation, ring::SlotPhase::kNotOffered);
  // A client that was first has its answer in the word, and has told somebody that it counts.
  const bool first = Shared(channel_).slots[index].compare_exchange_strong(offered, taken_back);
  const HandlerAnswer answer = first ? HandlerAnswer::kPending : AnswerIn(index);
  FreeSlot(index);
  return answer;
}

HandlerAnswer Client::AnswerIn(uint32_t index) const {
  const uint64_t word = Shared(channel_).slots[index].load();
  const uint64_t generation = slots_[index].generation;
  if (word == ring::SlotWord(generation, ring::SlotPhase::kResumed)) return HandlerAnswer::kResume;
  if (word == ring::SlotWord(generation, ring::SlotPhase::kPassedOn)) return HandlerAnswer::kTryNext;
  return HandlerAnswer::kPending;
}

void Client::FreeSlot(uint32_t index) {
  slot_of_.erase(slots_[index].tid);
  slots_[index].tid = 0;
  slots_[index].handler = nullptr;
  free_slots_.push_back(index);
}

}  // namespace zxctl::service
