#include "support/fake_kvm.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace zxctl::test {
namespace {

constexpr size_t kDataOffset = 4096;  // of an I/O port's data in the page

class FakeVm final : public KvmVm {
 public:
  explicit FakeVm(std::shared_ptr<KvmWorld> world) : world_(std::move(world)) { ++world_->vms; }
  FakeVm(const FakeVm&) = delete;
  FakeVm& operator=(const FakeVm&) = delete;
  ~FakeVm() override {
    --world_->vms;
    world_->slots.clear();
  }

  int CreateVcpu(uint32_t id, std::unique_ptr<KvmVcpu>* out) override {
    if (const int error = world_->Ask(KVM_CREATE_VCPU); error != 0) return error;
    if (world_->vcpus.contains(id)) return EEXIST;
    *out = std::make_unique<FakeVcpu>(world_, id);
    return 0;
  }
  int SetMemory(const kvm_userspace_memory_region& slot) override {
    if (const int error = world_->Ask(KVM_SET_USER_MEMORY_REGION); error != 0) return error;
    if (slot.memory_size == 0) return world_->slots.erase(slot.slot) == 1 ? 0 : EINVAL;
    return world_->slots.emplace(slot.slot, slot).second ? 0 : EEXIST;
  }
  int SetDoorbell(const kvm_ioeventfd& doorbell) override { return world_->SetDoorbell(doorbell); }
  int CreateDevice(uint32_t /*type*/, std::unique_ptr<KvmDevice>* /*out*/) override { return ENODEV; }
  int Control(unsigned long request, void* /*argument*/) override { return world_->Ask(request); }

 private:
  const std::shared_ptr<KvmWorld> world_;
};

}  // namespace

// ---- the world -------------------------------------------------------------------------------------------------------

int KvmWorld::Ask(unsigned long request) {
  if (countdown_ && countdown_->first-- == 0) return std::exchange(countdown_, std::nullopt)->second;
  const auto failure = failures_.find(_IOC_NR(request));
  if (failure == failures_.end()) return 0;
  const int error = failure->second;
  failures_.erase(failure);
  return error;
}

int KvmWorld::SetDoorbell(const kvm_ioeventfd& doorbell) {
  const std::lock_guard guard(lock_);
  if ((doorbell.flags & KVM_IOEVENTFD_FLAG_DEASSIGN) != 0) return doorbells_.erase(doorbell.addr) == 1 ? 0 : ENOENT;
  const auto failure = failures_.find(_IOC_NR(KVM_IOEVENTFD));
  if (failure != failures_.end()) {
    const int error = failure->second;
    failures_.erase(failure);
    return error;
  }
  return doorbells_.emplace(doorbell.addr, doorbell.fd).second ? 0 : EEXIST;
}

bool KvmWorld::Ring(uint64_t address, uint64_t times) {
  const std::lock_guard guard(lock_);
  const auto found = doorbells_.find(address);
  return found != doorbells_.end() && write(found->second, &times, sizeof(times)) == sizeof(times);
}

size_t KvmWorld::doorbell_count() {
  const std::lock_guard guard(lock_);
  return doorbells_.size();
}

int FakeKvm::Extension(int capability) {
  const auto said = world->extensions.find(capability);
  if (said != world->extensions.end()) return said->second;
  return capability == KVM_CAP_SYNC_REGS ? KVM_SYNC_X86_VALID_FIELDS : 1;
}

int FakeKvm::CreateVm(std::unique_ptr<KvmVm>* out) {
  if (const int error = world->Ask(KVM_CREATE_VM); error != 0) return error;
  *out = std::make_unique<FakeVm>(world);
  return 0;
}

// The list of CPUID is empty.
int FakeKvm::Control(unsigned long request, void* argument) {
  if (const int error = world->Ask(request); error != 0) return error;
  if (_IOC_NR(request) == _IOC_NR(KVM_GET_SUPPORTED_CPUID)) std::memset(argument, 0, sizeof(uint32_t));
  return 0;
}

// ---- a VCPU ----------------------------------------------------------------------------------------------------------

FakeVcpu::FakeVcpu(std::shared_ptr<KvmWorld> world, uint32_t id) : world_(std::move(world)), id_(id) {
  world_->vcpus[id_] = this;
  raw().ready_for_interrupt_injection = 1;
  raw().if_flag = 1;
}

FakeVcpu::~FakeVcpu() { world_->vcpus.erase(id_); }

void FakeVcpu::PassPoint() {
  if (!on_point || at_point_ || pthread_equal(pthread_self(), thread_) == 0) return;
  at_point_ = true;
  on_point();
  at_point_ = false;
}

kvm_run& FakeVcpu::page() {
  PassPoint();
  return raw();
}

int FakeVcpu::Run() {
  kvm_run& page = raw();
  Entry entry = {.immediate = __atomic_load_n(&page.immediate_exit, __ATOMIC_SEQ_CST) != 0,
                 .dirty = page.kvm_dirty_regs,
                 .regs = page.s.regs.regs,
                 .asks_for_window = page.request_interrupt_window != 0};
  const bool is_io = page.exit_reason == KVM_EXIT_IO;
  std::memcpy(entry.data.data(),
              is_io ? reinterpret_cast<char*>(&page) + kDataOffset : reinterpret_cast<char*>(page.mmio.data),
              entry.data.size());
  entries.push_back(entry);
  page.kvm_dirty_regs = 0;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &outer_);
  PassPoint();
  const int error = RunSteps();
  page.ready_for_interrupt_injection = is_ready;
  pthread_sigmask(SIG_SETMASK, &outer_, nullptr);
  return error;
}

int FakeVcpu::RunSteps() {
  kvm_run& page = raw();
  if (!steps_.empty() && steps_.front().finishes) {
    const Step step = std::move(steps_.front().step);
    steps_.pop_front();
    if (const int result = step(page); result != kIsFinished) return result;
  }
  sigset_t pending;
  sigpending(&pending);
  bool is_kicked = __atomic_load_n(&page.immediate_exit, __ATOMIC_SEQ_CST) != 0;
  for (int signo = SIGRTMIN; signo <= SIGRTMAX; ++signo) is_kicked |= sigismember(&pending, signo) == 1;
  if (is_kicked) {
    page.exit_reason = KVM_EXIT_INTR;
    return EINTR;
  }
  if (steps_.empty() || steps_.front().finishes) {
    ADD_FAILURE() << "the guest is entered, and nothing is planned for it";
    return ENOSYS;
  }
  const Step step = std::move(steps_.front().step);
  steps_.pop_front();
  ++times_in_guest;
  return step(page);
}

int FakeVcpu::Control(unsigned long request, void* argument) {
  PassPoint();
  asked.push_back(request);
  if (const int error = world_->Ask(request); error != 0) return error;
  if (request == KVM_GET_SREGS) *static_cast<kvm_sregs*>(argument) = raw().s.regs.sregs;
  if (_IOC_NR(request) == _IOC_NR(KVM_SET_CPUID2)) has_cpuid = true;
  if (request == KVM_INTERRUPT) injected.push_back(static_cast<kvm_interrupt*>(argument)->irq);
  if (request == KVM_SET_VCPU_EVENTS) events.push_back(*static_cast<kvm_vcpu_events*>(argument));
  if (request == KVM_SET_SREGS) sregs.push_back(*static_cast<kvm_sregs*>(argument));
  return 0;
}

// ---- steps -----------------------------------------------------------------------------------------------------------

FakeVcpu::Step Exits(uint32_t reason) {
  return [=](kvm_run& page) {
    page.exit_reason = reason;
    return 0;
  };
}

FakeVcpu::Step Fails(int error) {
  return [=](kvm_run&) { return error; };
}

namespace {

int ExitForPort(kvm_run& page, bool in, uint16_t port, uint8_t size, uint32_t value) {
  page.exit_reason = KVM_EXIT_IO;
  page.io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
  page.io.port = port;
  page.io.size = size;
  page.io.count = 1;
  page.io.data_offset = kDataOffset;
  std::memcpy(reinterpret_cast<char*>(&page) + kDataOffset, &value, sizeof(value));
  return 0;
}

int ExitForMemory(kvm_run& page, bool write, uint64_t address, uint32_t size, uint64_t value) {
  page.exit_reason = KVM_EXIT_MMIO;
  page.mmio.phys_addr = address;
  page.mmio.len = size;
  page.mmio.is_write = write;
  std::memcpy(page.mmio.data, &value, sizeof(value));
  return 0;
}

}  // namespace

FakeVcpu::Step Outs(uint16_t port, uint8_t size, uint32_t value) {
  return [=](kvm_run& page) { return ExitForPort(page, false, port, size, value); };
}

FakeVcpu::Step Ins(uint16_t port, uint8_t size) {
  return [=](kvm_run& page) { return ExitForPort(page, true, port, size, 0); };
}

FakeVcpu::Step Stores(uint64_t address, uint32_t size, uint64_t value) {
  return [=](kvm_run& page) { return ExitForMemory(page, true, address, size, value); };
}

FakeVcpu::Step Loads(uint64_t address, uint32_t size) {
  return [=](kvm_run& page) { return ExitForMemory(page, false, address, size, ~uint64_t{0}); };
}

FakeVcpu::Step Spins(FakeVcpu& vcpu, std::function<void()> inside) {
  return [&vcpu, inside = std::move(inside)](kvm_run& page) {
    inside();
    sigsuspend(&vcpu.outer_signals());
    page.exit_reason = KVM_EXIT_INTR;
    return EINTR;
  };
}

}  // namespace zxctl::test
