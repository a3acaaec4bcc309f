#include "vcpu/doorbells.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "vcpu/bell.h"

namespace zxctl {
namespace {

// What was written to it since it was read last.
uint64_t TakeCount(const UniqueFd& event) {
  uint64_t count = 0;
  return read(event.get(), &count, sizeof(count)) == sizeof(count) ? count : 0;
}

}  // namespace

Doorbells::~Doorbells() { Stop(); }

bool Doorbells::StartLocked() {
  if (stopping_) return false;
  if (thread_) return true;
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event wake = {.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (!epoll_.valid() || !wake_.valid() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &wake) != 0)
    return false;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, &Main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return false;
  pthread_setname_np(thread, "zx-doorbells");
  thread_ = thread;
  return true;
}

bool Doorbells::Assign(const Doorbell& doorbell, bool on) {
  const kvm_ioeventfd request = {.addr = doorbell.address,
                                 .len = 0,  // of any width
                                 .fd = doorbell.event.get(),
                                 .flags = on ? 0U : static_cast<uint32_t>(KVM_IOEVENTFD_FLAG_DEASSIGN)};
  return vm_->SetDoorbell(request) == 0;
}

Doorbells::Doorbell* Doorbells::FindLocked(const Bell& bell, uint64_t address) {
  for (const auto& doorbell : doorbells_) {
    if (doorbell->bell.get() == &bell && doorbell->address == address) return doorbell.get();
  }
  return nullptr;
}

void Doorbells::Count(const RefPtr<Bell>& bell, uint64_t address) {
  const std::lock_guard lock(lock_);
  Doorbell* doorbell = FindLocked(*bell, address);
  if (doorbell == nullptr) {
    if (doorbells_.size() == kMaxDoorbells || !StartLocked()) return;
    auto made = std::make_unique<Doorbell>(Doorbell{.bell = bell, .address = address});
    made->event.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event ready = {.events = EPOLLIN, .data = {.ptr = made.get()}};
    if (!made->event.valid() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, made->event.get(), &ready) != 0) return;
    doorbell = made.get();
    doorbells_.push_back(std::move(made));
  }
  if (!doorbell->counts && doorbell->owed == 0) doorbell->counts = Assign(*doorbell, true);
}

void Doorbells::Forget(const Bell& bell) {
  const std::lock_guard lock(lock_);
  for (const auto& doorbell : doorbells_) {
    if (doorbell->bell.get() != &bell) continue;
    if (std::exchange(doorbell->counts, false)) static_cast<void>(Assign(*doorbell, false));
    doorbell->owed = 0;
  }
}

void Doorbells::WakeThread() {
  const uint64_t one = 1;
  const ssize_t written = write(wake_.get(), &one, sizeof(one));
  static_cast<void>(written);
}

// False when it has to be gone on with.
bool Doorbells::RingOwedLocked(Doorbell& doorbell) {
  while (doorbell.owed != 0) {
    const zx_status_t status = doorbell.bell->RingCounted(doorbell.address);
    if (status == ZX_ERR_SHOULD_WAIT) return false;
    // Nobody is there any more to be told, or there is no memory to tell it.
    doorbell.owed = status == ZX_OK ? doorbell.owed - 1 : 0;
  }
  return true;
}

void Doorbells::TellLocked(Doorbell& doorbell) {
  doorbell.owed += TakeCount(doorbell.event);
  if (RingOwedLocked(doorbell)) return;
  // From now on whoever writes there waits; what was counted before belongs to what is owed.
  if (std::exchange(doorbell.counts, false)) static_cast<void>(Assign(doorbell, false));
  doorbell.owed += TakeCount(doorbell.event);
  // A packet that has gone before the bell knew would wake nobody.
  doorbell.bell->SetLate(true);
  if (RingOwedLocked(doorbell)) UpdateLateLocked(*doorbell.bell);
}

// After some of its doorbells may have caught up.
void Doorbells::UpdateLateLocked(Bell& bell) {
  bool late = false;
  for (const auto& doorbell : doorbells_) late |= doorbell->bell.get() == &bell && doorbell->owed != 0;
  bell.SetLate(late);
}

void Doorbells::CatchUpLocked() {
  TakeCount(wake_);
  for (const auto& doorbell : doorbells_) {
    if (doorbell->owed == 0) continue;
    if (RingOwedLocked(*doorbell)) UpdateLateLocked(*doorbell->bell);
  }
}

void* Doorbells::Main(void* self) {
  static_cast<Doorbells*>(self)->Serve();
  return nullptr;
}

void Doorbells::Serve() {
  std::array<epoll_event, 16> events = {};
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    const std::lock_guard lock(lock_);
    if (stopping_) return;
    for (int i = 0; i < count; ++i) {
      auto* doorbell = static_cast<Doorbell*>(events[static_cast<size_t>(i)].data.ptr);
      if (doorbell != nullptr) {
        TellLocked(*doorbell);
      } else {
        CatchUpLocked();
      }
    }
  }
}

void Doorbells::Stop() {
  std::optional<pthread_t> thread;
  {
    const std::lock_guard lock(lock_);
    stopping_ = true;
    thread = std::exchange(thread_, std::nullopt);
  }
  if (!thread) return;
  WakeThread();
  pthread_join(*thread, nullptr);
  const std::lock_guard lock(lock_);
  for (const auto& doorbell : doorbells_) {
    if (doorbell->counts) static_cast<void>(Assign(*doorbell, false));
  }
  doorbells_.clear();
}

}  // namespace zxctl
