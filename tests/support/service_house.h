// A tracer with a client on a world of tasks: everything of a session but the loop, and no process anywhere.
#pragma once

#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "exceptions/router.h"
#include "ring/task_protocol.h"
#include "service/client.h"
#include "support/task_world.h"

namespace zxctl::test {

class ServiceHouse final : TracerObserver {
 public:
  static constexpr uint64_t kRootJob = 7;

  explicit ServiceHouse(size_t ring_bytes = ring::kClientRingBytes)
      : router_(timers_, clock_),
        tracer_(world_, router_, *this, timers_, clock_, {}),
        theirs_(std::move(*ring::Channel::Create(ring_bytes, sizeof(ring::SharedState)))),
        client_(std::move(*ring::Channel::Attach(UniqueFd(dup(theirs_.fd())))), UniqueFd(),
                {.pid = getpid(), .root_job = kRootJob}, tracer_, router_) {
    router_.Attach(tracer_);
  }

  [[nodiscard]] TaskWorld& world() { return world_; }
  [[nodiscard]] Tracer& tracer() { return tracer_; }
  [[nodiscard]] ExceptionRouter& router() { return router_; }
  [[nodiscard]] service::Client& client() { return client_; }
  // The client's end.
  [[nodiscard]] ring::Channel& channel() { return theirs_; }
  [[nodiscard]] ring::SharedState& shared() {
    return *std::launder(reinterpret_cast<ring::SharedState*>(theirs_.shared().data()));
  }

  // ---- as the client ----
  bool Write(ring::CommandType type, const ring::Command& command, std::span<const std::byte> bytes = {}) {
    std::vector<std::byte> message(sizeof(command) + bytes.size());
    std::memcpy(message.data(), &command, sizeof(command));
    std::copy(bytes.begin(), bytes.end(), message.begin() + sizeof(command));
    return theirs_.out().Write(static_cast<uint32_t>(type), message);
  }
  // What has come, one after another.
  bool Read(ring::Message& message) {
    const auto got = theirs_.in().Read(message);
    return got && *got;
  }
  // The next notice of this type; those before it are passed over.
  template <typename T>
  std::optional<T> ReadNext(ring::NoticeType type) {
    ring::Message message;
    while (Read(message)) {
      T value;
      if (message.type != static_cast<uint32_t>(type) || message.payload.size() < sizeof(value)) continue;
      std::memcpy(&value, message.payload.data(), sizeof(value));
      return value;
    }
    return std::nullopt;
  }

  // ---- as the loop ----
  // Takes commands until there are none, and stops until there are none, so often at most.
  void Turn(int most = 64) {
    for (int i = 0; i < most; ++i) {
      const bool commands = there_ && client_.TakeCommands();
      if (there_) client_.Flush();
      if (there_ && client_.broken()) Leave();
      const WaitResult stop = world_.Wait(-1);
      if (stop.tid > 0) tracer_.OnWait(stop);
      timers_.RunDue(clock_.now_ns);
      if (!commands && stop.tid <= 0) break;
    }
    if (there_) client_.Flush();
    world_.calls.clear();
  }
  void PassTime(int64_t ns) {
    clock_.now_ns += ns;
    timers_.RunDue(clock_.now_ns);
  }
  void Leave() {
    there_ = false;
    client_.Leave();
  }
  [[nodiscard]] bool is_there() const { return there_; }

 private:
  // TracerObserver, as the session passes it on:
  void OnProcessBorn(Process& process) override {
    if (there_) client_.OnProcessBorn(process);
  }
  void OnParked(Process& process) override {
    if (there_) client_.OnParked(process);
  }
  void OnTakesOver(Thread& thread, pid_t leader) override {
    if (there_) client_.OnTakesOver(thread, leader);
  }
  void OnThreadChanged(Thread& thread) override {
    if (there_) client_.OnThreadChanged(thread);
  }
  void OnThreadGone(Thread& thread) override {
    if (there_) client_.OnThreadGone(thread);
  }
  void OnProcessGone(Process& process, int wait_status) override {
    if (there_) client_.OnProcessGone(process, wait_status);
  }
  void OnProcessDetached(Process& process) override {
    if (there_) client_.OnProcessDetached(process);
  }

  FakeClock clock_;
  TimerQueue timers_;
  TaskWorld world_;
  ExceptionRouter router_;
  Tracer tracer_;
  ring::Channel theirs_;
  service::Client client_;
  bool there_ = true;
};

}  // namespace zxctl::test
