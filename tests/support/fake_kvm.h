// KVM of the component tests. No guest runs: a test says what KVM_RUN does, step by step, and which requests fail; what was
// asked of KVM is written down.
//
// What the kernel does around a guest is done here too: a signal that comes in KVM_RUN ends it and is handled behind it, an
// instruction that waits for its data is finished before `immediate_exit` is looked at, registers are taken when they are dirty.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "arch/kvm.h"

namespace zxctl::test {

class FakeVcpu;

// What there is of machines that were made; outlives them.
struct KvmWorld {
  // The next call of a request fails with an errno, once; it is known by its number. KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_SET_USER_MEMORY_REGION and
  // KVM_IOEVENTFD stand for the calls with names of their own.
  void FailNext(unsigned long request, int error) { failures_[_IOC_NR(request)] = error; }
  // The call after `calls` others fails, whatever it is.
  void FailAfter(size_t calls, int error) { countdown_ = {calls, error}; }
  // 0, or what a test wants.
  int Ask(unsigned long request);

  int vms = 0;
  std::map<uint32_t, FakeVcpu*> vcpus;  // by their number
  std::map<uint32_t, kvm_userspace_memory_region> slots;
  // What an extension is said to be; 1, or all bits, where nothing is said.
  std::map<int, int> extensions;

  // Writes of the guest to an address, counted as the kernel does; false where it does not. Any thread.
  bool Ring(uint64_t address, uint64_t times = 1);
  [[nodiscard]] size_t doorbell_count();
  int SetDoorbell(const kvm_ioeventfd& doorbell);

 private:
  std::map<unsigned long, int> failures_;
  std::optional<std::pair<size_t, int>> countdown_;
  std::mutex lock_;
  std::map<uint64_t, int> doorbells_;  // lock_
};

class FakeKvm final : public Kvm {
 public:
  int Extension(int capability) override;
  int CreateVm(std::unique_ptr<KvmVm>* out) override;
  int Control(unsigned long request, void* argument) override;

  const std::shared_ptr<KvmWorld> world = std::make_shared<KvmWorld>();
};

// Of the thread that makes it, but for page().
class FakeVcpu final : public KvmVcpu {
 public:
  // What the guest does until KVM_RUN comes back: 0 with an exit in the page, or an errno.
  using Step = std::function<int(kvm_run&)>;
  // What a finished instruction gives when nothing is left to tell.
  static constexpr int kIsFinished = -1;

  FakeVcpu(std::shared_ptr<KvmWorld> world, uint32_t id);
  FakeVcpu(const FakeVcpu&) = delete;
  FakeVcpu& operator=(const FakeVcpu&) = delete;
  ~FakeVcpu() override;

  kvm_run& page() override;
  int Run() override;
  int Control(unsigned long request, void* argument) override;

  // ---- what a test says ----
  // In the guest. Nothing is left to be entered for behind the last step.
  void Then(Step step) { steps_.push_back({std::move(step), false}); }
  // At the end of the instruction that has left the guest: an exit, or kIsFinished. Also with `immediate_exit`.
  void ThenFinish(Step step) { steps_.push_back({std::move(step), true}); }
  // Whether an interrupt can be given after an exit.
  bool is_ready = true;
  // Called on the VCPU's own thread wherever it comes by: at every look at the page, every request, every KVM_RUN.
  std::function<void()> on_point;

  // ---- what was done ----
  // A KVM_RUN, as it stood when it began.
  struct Entry {
    bool immediate = false;
    uint64_t dirty = 0;
    kvm_regs regs = {};
    bool asks_for_window = false;
    std::array<uint8_t, 8> data = {};  // of the MMIO or the I/O that was told before
  };
  std::vector<Entry> entries;
  std::vector<uint32_t> injected;  // KVM_INTERRUPT
  std::vector<kvm_vcpu_events> events;
  std::vector<kvm_sregs> sregs;
  std::vector<unsigned long> asked;
  bool has_cpuid = false;
  size_t times_in_guest = 0;
  [[nodiscard]] bool IsDone() const { return steps_.empty(); }
  // The page, without coming by a point.
  [[nodiscard]] kvm_run& raw() { return *reinterpret_cast<kvm_run*>(memory_.data()); }
  [[nodiscard]] const sigset_t& outer_signals() const { return outer_; }

 private:
  struct Planned {
    Step step;
    bool finishes = false;
  };
  void PassPoint();
  int RunSteps();

  const std::shared_ptr<KvmWorld> world_;
  const uint32_t id_;
  const pthread_t thread_ = pthread_self();
  bool at_point_ = false;
  sigset_t outer_ = {};
  std::deque<Planned> steps_;
  alignas(4096) std::array<std::byte, 8192> memory_ = {};
};

// ---- steps -----------------------------------------------------------------------------------------------------------

// An exit of a reason that says nothing more.
FakeVcpu::Step Exits(uint32_t reason);
FakeVcpu::Step Fails(int error);
FakeVcpu::Step Outs(uint16_t port, uint8_t size, uint32_t value);
FakeVcpu::Step Ins(uint16_t port, uint8_t size);
FakeVcpu::Step Stores(uint64_t address, uint32_t size, uint64_t value = 0);
FakeVcpu::Step Loads(uint64_t address, uint32_t size);
// In the guest until a signal comes; `inside` is called when it is.
FakeVcpu::Step Spins(FakeVcpu& vcpu, std::function<void()> inside);

}  // namespace zxctl::test
