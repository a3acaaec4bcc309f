#include "client/connection.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <new>
#include <thread>

#include "base/clock.h"
#include "base/fork_mark.h"
#include "client/task.h"
#include "client/tracer_process.h"
#include "object/root.h"
#include "ring/protocol.h"
#include "supervisor/wakeups.h"

namespace zxctl::client {
namespace {

constexpr int64_t kStartNs = 10 * kNsPerSec;
// A tracer that makes no room this long is looked after.
constexpr int64_t kRoomNs = 100 * kNsPerMs;
// How often it is looked whether a new tracer could not be executed.
constexpr int64_t kLookNs = 20 * kNsPerMs;

std::mutex g_start_lock;
std::atomic<Connection*> g_connection = nullptr;
// Set while there is a tracer.
ForkMark g_fork_mark;
// Where a thread that takes in keeps what is to be done when it holds no lock any more; null while it does not.
thread_local std::vector<std::function<void()>>* g_afterwards = nullptr;

ring::SharedState& Shared(const ring::Channel& channel) {
  return *std::launder(reinterpret_cast<ring::SharedState*>(channel.shared().data()));
}

void WakeShared(std::atomic<uint32_t>& word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

// The kernel's struct futex_waitv and the number of its call, which older headers lack.
struct FutexWaiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr long kFutexWaitvCall = 449;
constexpr uint32_t kFutex32 = 2;

FutexWaiter WaitFor(const std::atomic<uint32_t>& word, uint32_t seen, uint32_t flags) {
  return {.value = seen, .address = reinterpret_cast<uintptr_t>(&word), .flags = kFutex32 | flags, .reserved = 0};
}

// False at the deadline.
bool SleepOnAny(std::span<FutexWaiter> words, int64_t deadline_ns) {
  const int64_t at = std::max<int64_t>(deadline_ns, 0);
  const timespec deadline{.tv_sec = at / kNsPerSec, .tv_nsec = at % kNsPerSec};
  const long result = syscall(kFutexWaitvCall, words.data(), words.size(), 0,
                              deadline_ns == kNever ? nullptr : &deadline, CLOCK_MONOTONIC);
  return result >= 0 || errno != ETIMEDOUT;
}

// What StartOrphan() gives at its end: why there is no program.
Result<void> CheckErrors(int errors, const std::string& tracer) {
  pollfd fd{.fd = errors, .events = POLLIN, .revents = 0};
  int failure = 0;
  if (poll(&fd, 1, 0) != 1 || read(errors, &failure, sizeof(failure)) != sizeof(failure)) return {};
  return Fail(Status::FromErrno("cannot execute the tracer " + tracer, failure));
}

// All other commands can let a thread go on, or change its registers.
constexpr std::array kOnlyLook = {ring::CommandType::kReadState,     ring::CommandType::kReadMemory,
                                  ring::CommandType::kFind,          ring::CommandType::kList,
                                  ring::CommandType::kThreadInfo,    ring::CommandType::kProcessInfo,
                                  ring::CommandType::kExceptionInfo, ring::CommandType::kUnwatch};

bool MayMoveThreads(ring::CommandType type) {
  return std::find(kOnlyLook.begin(), kOnlyLook.end(), type) == kOnlyLook.end();
}

}  // namespace

std::string Answer::Sentence() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// ---- the start -------------------------------------------------------------------------------------------------------

Connection::Connection(ring::Channel channel) : channel_(std::move(channel)) {}

bool Connection::IsForked() { return g_fork_mark.IsForked(); }

Result<Connection*> Connection::Get() {
  if (IsForked()) {
    return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = kForkedSentence});
  }
  if (Connection* there = g_connection.load(std::memory_order_acquire); there != nullptr && there->IsAlive())
    return there;
  const std::lock_guard lock(g_start_lock);
  Connection* const before = g_connection.load();
  if (before != nullptr && before->IsAlive()) return before;
  if (const auto marked = g_fork_mark.Set(); !marked) return Fail(marked.error());
  auto channel = ring::Channel::Create(ring::kClientRingBytes, sizeof(ring::SharedState));
  if (!channel) return Fail(channel.error());
  // A forked child must not write into what the tracer reads.
  madvise(channel->mapping().data(), channel->mapping().size(), MADV_DONTFORK);
  static const int at_fork = pthread_atfork(nullptr, nullptr, OnForkInChild);
  static_cast<void>(at_fork);
  std::unique_ptr<Connection> made(new (std::nothrow) Connection(std::move(*channel)));
  if (made == nullptr) return Fail(Status{.zx = ZX_ERR_NO_MEMORY, .what = "there is no memory to talk to a tracer"});
  const uint64_t next_koid = before == nullptr ? 0 : Shared(before->channel_).next_koid.load();
  if (const auto started = made->Start(next_koid); !started) return Fail(started.error());
  made->before_ = before;
  // Never deleted from here on: threads may be in it until the process ends.
  Connection* const connection = made.release();
  TracerLink::SetCurrent(connection);
  g_connection.store(connection, std::memory_order_release);
  if (HasToBeServed()) connection->KeepTakingIn();
  return connection;
}

// The tracer is to see when the parent ends, not when the last of its children does.
void Connection::OnForkInChild() {
  for (Connection* each = g_connection.load(); each != nullptr; each = each->before_) each->alive_.Reset();
}

Result<void> Connection::Start(uint64_t next_koid) {
  const auto tracer = FindHelper("zxtask-tracer");
  if (!tracer) return Fail(tracer.error());
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return FailErrno("cannot create a socket");
  alive_.Reset(ends[0]);
  const UniqueFd tracers_end(ends[1]);
  const std::array<int, 2> fds = {channel_.fd(), tracers_end.get()};
  const auto errors = StartOrphan({*tracer, "3", std::to_string(getpid()), ""}, fds);
  if (!errors) return Fail(errors.error());
  if (auto heard = AwaitHello(errors->get(), *tracer); !heard) return heard;
  tracer_pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, tracer_pid_, 0)));
  if (!tracer_pidfd_.valid()) return FailErrno("the tracer was killed as it began");
  // Yama lets a process be traced by those it names. Where there is no Yama, the call fails and nothing is lost.
  prctl(PR_SET_PTRACER, static_cast<unsigned long>(tracer_pid_), 0, 0, 0);
  const RefPtr<Job> root = Root::Get().root_job();
  const ring::HelloCommand command{.pid = getpid(), .root_job = root->koid(), .next_koid = next_koid};
  {
    const std::lock_guard lock(tables_lock_);
    jobs_[root->koid()] = {.job = root.get(), .keeps = root};
  }
  if (!channel_.Send(static_cast<uint32_t>(ring::CommandType::kHello), command)) {
    return Fail(Status{.zx = ZX_ERR_INTERNAL, .what = "the ring is too small"});
  }
  return AwaitNotice(static_cast<uint32_t>(ring::NoticeType::kReady));
}

// That the descriptor is at its end says nothing: a child that the program has forked meanwhile may hold the other one.
Result<void> Connection::AwaitHello(int errors, const std::string& tracer) {
  const int64_t deadline = MonotonicNs() + kStartNs;
  ring::Message message;
  while (MonotonicNs() < deadline) {
    const auto got = channel_.Receive(message, std::min(deadline, MonotonicNs() + kLookNs));
    ring::HelloRecord hello;
    if (got && !*got) {
      if (auto executed = CheckErrors(errors, tracer); !executed) return executed;
      continue;
    }
    if (!got || message.type != static_cast<uint32_t>(ring::MessageType::kHello) || !ring::UnpackHead(message, hello))
      break;
    tracer_pid_ = hello.tracer_pid;
    return {};
  }
  return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "the tracer does not answer; the machine may be out of memory"});
}

Result<void> Connection::AwaitNotice(uint32_t type) {
  ring::Message message;
  // The tracer wakes only those who say that they sleep.
  ring::RingHeader& header = channel_.in().header();
  header.sleepers.fetch_add(1);
  const auto got = channel_.Receive(message, MonotonicNs() + kStartNs);
  header.sleepers.fetch_sub(1);
  if (got && *got && message.type == type) return {};
  return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "the tracer does not answer; it may have been killed"});
}

// ---- out -------------------------------------------------------------------------------------------------------------

uint64_t Connection::Write(ring::CommandType type, ring::Command command, std::span<const std::byte> bytes,
                           Pending* pending) {
  // Somebody who is not here may hold the locks.
  if (IsForked()) return 0;
  std::unique_lock lock(send_lock_);
  command.seq = ++last_seq_;
  if (pending != nullptr) {
    const std::lock_guard tables(tables_lock_);
    pending_[command.seq] = pending;
  }
  if (MayMoveThreads(type)) changes_.fetch_add(1, std::memory_order_release);
  WriteOrWait(lock, type, command, bytes);
  return command.seq;
}

uint64_t Connection::AsksForMore(zx_koid_t process) {
  const std::lock_guard lock(asked_lock_);
  const bool goes_on = std::exchange(asked_process_, process) == process && asked_changes_ == changes();
  asked_changes_ = changes();
  const bool used = further_used_.exchange(false, std::memory_order_relaxed);
  const uint64_t more = used ? ring::kMaxFurther : 0;
  const uint64_t next = asked_messages_ == 0 ? 1 : more;
  const uint64_t messages = goes_on ? next : 0;
  asked_messages_ = messages;
  return messages;
}

bool Connection::AwaitFurther(zx_koid_t process) {
  {
    const std::lock_guard lock(asked_lock_);
    if (asked_process_ != process || asked_changes_ != changes()) return false;
  }
  const uint32_t left = further_.load(std::memory_order_acquire);
  if (static_cast<int32_t>(left) <= 0 || dead()) return false;
  Sleep(further_, left, kNever, ZX_KOID_INVALID);
  return true;
}

void Connection::WriteOrWait(std::unique_lock<std::mutex>& /*lock*/, ring::CommandType type,
                             const ring::Command& command, std::span<const std::byte> bytes) {
  const auto write = [&] {
    return channel_.out().Write(static_cast<uint32_t>(type), std::as_bytes(std::span(&command, 1)), bytes);
  };
  ring::RingHeader& header = channel_.out().header();
  while (!dead() && !write()) {
    const uint32_t seen = header.room.load();
    header.short_of_room.store(1);
    WakeTracer();
    if (write()) return;
    std::array<FutexWaiter, 1> words = {WaitFor(header.room, seen, 0)};
    // The tracer may wait for room itself: what it has sent is taken in, too.
    if (!SleepOnAny(words, MonotonicNs() + kRoomNs) && TracerHasDied()) return Die();
    std::vector<std::function<void()>> afterwards;
    ReadAll(afterwards);
    // They would write, which is what cannot be done now.
    if (!afterwards.empty()) {
      std::thread([afterwards = std::move(afterwards)] {
        for (const auto& each : afterwards) each();
      }).detach();
    }
  }
}

void Connection::WakeTracer() {
  if (IsForked()) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (channel_.out().header().sleepers.exchange(0) == 0) return;
  syscall(SYS_pidfd_send_signal, tracer_pidfd_.get(), CommandSignal(), nullptr, 0);
}

uint64_t Connection::Post(ring::CommandType type, ring::Command command) {
  const uint64_t seq = PostQuietly(type, command);
  WakeTracer();
  return seq;
}

uint64_t Connection::PostQuietly(ring::CommandType type, ring::Command command) {
  return Write(type, command, {}, nullptr);
}

void Connection::PostLater(ring::CommandType type, const ring::Command& command) {
  if (dead()) return;
  if (g_afterwards == nullptr) {
    Post(type, command);
  } else {
    g_afterwards->emplace_back([this, type, command] { Post(type, command); });
  }
}

Answer Connection::Request(ring::CommandType type, ring::Command command, std::span<const std::byte> bytes) {
  if (dead()) return {};
  Pending pending{.gives_tasks = type == ring::CommandType::kSpawn || type == ring::CommandType::kAttach ||
                                 type == ring::CommandType::kFind || type == ring::CommandType::kCreateThread};
  const uint64_t seq = Write(type, command, bytes, &pending);
  WakeTracer();
  while (pending.done.load(std::memory_order_acquire) == 0 && !dead()) Sleep(pending.done, 0, kNever, ZX_KOID_INVALID);
  const std::lock_guard lock(tables_lock_);
  pending_.erase(seq);
  return std::move(pending.answer);
}

std::atomic<uint64_t>& Connection::slot(uint64_t index) { return Shared(channel_).slots[index % ring::kSlots]; }

bool Connection::IsOffered(const ring::ExceptionNotice& notice) {
  return slot(notice.slot).load() == ring::SlotWord(notice.generation, ring::SlotPhase::kOffered);
}

bool Connection::Claim(const ring::ExceptionNotice& notice, ring::Verdict verdict) {
  const auto phase = verdict == ring::Verdict::kResume ? ring::SlotPhase::kResumed : ring::SlotPhase::kPassedOn;
  uint64_t offered = ring::SlotWord(notice.generation, ring::SlotPhase::kOffered);
  return slot(notice.slot).compare_exchange_strong(offered, ring::SlotWord(notice.generation, phase));
}

// ---- in --------------------------------------------------------------------------------------------------------------

bool Connection::Sleep(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns, zx_koid_t port) {
  ring::RingHeader& header = channel_.in().header();
  ring::Bell* bell = port == ZX_KOID_INVALID ? nullptr : &Shared(channel_).BellOf(port);
  const std::atomic<uint32_t>& life = Shared(channel_).tracer_life;
  const uint32_t alive = life.load();
  const uint32_t rung = bell == nullptr ? 0 : bell->rings.load();
  const uint32_t came = header.wake.load(std::memory_order_acquire);
  header.sleepers.fetch_add(1);
  if (bell != nullptr) bell->sleepers.fetch_add(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const ScopedSleeper sleeper(word);
  TakeIn();
  bool in_time = true;
  if (!dead() && word.load(std::memory_order_acquire) == seen) {
    std::array<FutexWaiter, 4> words = {WaitFor(word, seen, FUTEX_PRIVATE_FLAG), WaitFor(header.wake, came, 0),
                                        WaitFor(life, alive, 0)};
    if (bell != nullptr) words[3] = WaitFor(bell->rings, rung, 0);
    in_time = SleepOnAny(std::span(words).first(bell != nullptr ? 4 : 3), deadline_ns);
  }
  if (bell != nullptr) bell->sleepers.fetch_sub(1);
  header.sleepers.fetch_sub(1);
  TakeIn();
  return in_time;
}

void Connection::TakeIn() {
  if (dead()) return;
  const bool died = (Shared(channel_).tracer_life.load() & FUTEX_OWNER_DIED) != 0;
  if (channel_.in().has_messages()) {
    std::vector<std::function<void()>> afterwards;
    ReadAll(afterwards);
    for (const auto& each : afterwards) each();
  }
  if (died) Die();
}

void Connection::ReadAll(std::vector<std::function<void()>>& afterwards) {
  const std::lock_guard lock(read_lock_);
  g_afterwards = &afterwards;
  bool any = false;
  for (;;) {
    const auto got = channel_.in().Read(incoming_);
    // A tracer that writes what cannot be is as good as none.
    if (!got) afterwards.emplace_back([this] { Die(); });
    if (!got || !*got) break;
    any = true;
    Handle(incoming_, afterwards);
  }
  g_afterwards = nullptr;
  ring::RingHeader& header = channel_.in().header();
  if (!any || header.short_of_room.exchange(0) == 0) return;
  header.room.fetch_add(1);
  syscall(SYS_pidfd_send_signal, tracer_pidfd_.get(), CommandSignal(), nullptr, 0);
}

// ---- the end ---------------------------------------------------------------------------------------------------------

// Nobody may have taken in since the tracer died.
bool Connection::IsAlive() {
  TakeIn();
  return !dead();
}

bool Connection::TracerHasDied() {
  pollfd tracer{.fd = tracer_pidfd_.get(), .events = POLLIN, .revents = 0};
  return poll(&tracer, 1, 0) != 0;
}

void Connection::Die() {
  std::vector<RefPtr<Task>> tasks;
  std::unordered_map<zx_koid_t, RefPtr<Thread>> excepted;
  std::unordered_map<zx_koid_t, RefPtr<Port>> ports;
  {
    const std::lock_guard lock(tables_lock_);
    if (dead_.exchange(true)) return;
    ports = ports_;
    for (const auto& [koid, task] : tasks_) {
      if (task->TryAddRef()) tasks.push_back(RefPtr<Task>::Adopt(task));
    }
    excepted.swap(excepted_);
    for (const auto& [seq, pending] : pending_) {
      std::atomic<uint32_t>* const word = &pending->done;
      word->store(1, std::memory_order_release);
      FutexWakeOne(word);
    }
    pending_.clear();
  }
  for (const RefPtr<Task>& task : tasks) task->Break();
  for (const auto& [koid, port] : ports) port->Break();
  // Those who sleep look at the tracer's word, of which the kernel has woken one.
  WakeShared(Shared(channel_).tracer_life, INT_MAX);
  WakeShared(channel_.in().header().wake, INT_MAX);
}

// ---- somebody who always listens -------------------------------------------------------------------------------------

void Connection::KeepTakingIn() {
  if (served_.exchange(true)) return;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([this] { ServeForever(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Connection::ServeForever() {
  const std::atomic<uint32_t> never = 0;
  while (!dead()) Sleep(never, 0, kNever, ZX_KOID_INVALID);
}

}  // namespace zxctl::client
