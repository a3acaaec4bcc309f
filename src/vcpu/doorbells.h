// Writes to bells that the kernel counts (ioeventfd), and the thread that tells of them.
//
// One for each guest; its thread starts with the first doorbell, and has all signals blocked. Any thread.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "arch/kvm.h"
#include "base/unique_fd.h"
#include "object/ref_counted.h"

namespace zxctl {

class Bell;

class Doorbells final : public RefCounted {
 public:
  // Addresses that are counted, of all bells of a guest. Further ones are told by KVM_RUN's exits for ever.
  static constexpr size_t kMaxDoorbells = 256;

  explicit Doorbells(std::shared_ptr<KvmVm> vm) : vm_(std::move(vm)) {}
  ~Doorbells() override;

  // From now on the kernel counts writes to this address, if it can.
  void Count(const RefPtr<Bell>& bell, uint64_t address);
  // Its writes are no longer counted.
  void Forget(const Bell& bell);
  // A late bell has room again.
  void WakeThread();
  // Ends the thread; what it has not told is lost with the guest.
  void Stop();

 private:
  struct Doorbell {
    RefPtr<Bell> bell;
    uint64_t address = 0;
    UniqueFd event;
    uint64_t owed = 0;  // counted, and not told
    bool counts = false;
  };

  [[nodiscard]] bool StartLocked();
  [[nodiscard]] Doorbell* FindLocked(const Bell& bell, uint64_t address);
  [[nodiscard]] bool Assign(const Doorbell& doorbell, bool on);
  [[nodiscard]] static bool RingOwedLocked(Doorbell& doorbell);
  void TellLocked(Doorbell& doorbell);
  void UpdateLateLocked(Bell& bell);
  void CatchUpLocked();
  static void* Main(void* self);
  void Serve();

  const std::shared_ptr<KvmVm> vm_;
  std::mutex lock_;                                   // a bell's and a port's lock may be taken below it
  UniqueFd epoll_;                                    // lock_, until the thread runs
  UniqueFd wake_;                                     // as epoll_
  std::optional<pthread_t> thread_;                   // lock_
  std::vector<std::unique_ptr<Doorbell>> doorbells_;  // lock_
  bool stopping_ = false;                             // lock_
};

}  // namespace zxctl
