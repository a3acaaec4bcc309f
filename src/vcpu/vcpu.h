// A VCPU: bound for ever to the thread that made it.
//
// The state machine is in Resume(). What other threads want of a VCPU they leave in a flag, and then Notify(): the thread is
// brought out of KVM_RUN, or woken, and looks at the flags before it goes on. It goes into KVM_RUN only if nobody has notified
// it since it has looked: who comes later finds it inside, and sends a signal.
#pragma once

#include <zircon/rights.h>
#include <zircon/syscalls/hypervisor.h>
#include <zircon/syscalls/port.h>
#include <zircon/types.h>
#include <zxtask/linux.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "arch/guest.h"
#include "base/status.h"
#include "object/dispatcher.h"
#include "vcpu/guest.h"
#include "vcpu/handle_exit.h"

namespace zxctl {

class Vcpu final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_VCPU;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_VCPU_RIGHTS;

  // Of the calling thread, which gets no second one while this lives. INVALID_ARGS (entry), BAD_STATE (it has one, or the guest
  // is killed), NO_RESOURCES (all numbers are taken), NO_MEMORY.
  static Result<RefPtr<Vcpu>> Create(const RefPtr<GuestMachine>& machine, uint64_t entry);
  ~Vcpu() override;

  [[nodiscard]] bool is_waitable() const override { return true; }
  zx_status_t ReadRecord(uint32_t topic, std::span<std::byte> record) override;

  // Whether the calling thread is the one that it is bound to, in the process that it is in.
  [[nodiscard]] bool IsMine() const;
  [[nodiscard]] bool IsForked() const { return machine_->IsForked(); }
  // Whether it lies above the caller's frame on the stack of the calling thread, and can therefore be written. False for threads
  // that have made no VCPU.
  [[nodiscard]] static bool IsOnOwnStack(const void* start, size_t bytes);

  // ---- that thread ----
  // Until something is to be told, or has failed: then why() has a sentence.
  zx_status_t Resume(zx_port_packet_t* out);
  [[nodiscard]] const std::string& why() const { return why_; }
  void ReadState(zx_vcpu_state_t* out) const { cpu_.ReadState(out); }
  void WriteState(const zx_vcpu_state_t& state) { cpu_.WriteState(state); }
  // False for a size that there is not.
  bool WriteIo(const zx_vcpu_io_t& io) { return cpu_.WriteIo(io); }

  // ---- any thread ----
  void Interrupt(uint32_t vector);
  // The next Resume(), or the one that runs, is CANCELED.
  void Kick();
  // What it has failed with last; nothing if it has not.
  [[nodiscard]] std::optional<zxl_vcpu_exit_info_t> ExitInfo();

  // Some flag has changed that the thread has to look at.
  void Notify();
  void WaitUntilOutside() const;

 private:
  // Where its thread is.
  enum class Place : uint32_t {
    kOutside,  // not in Resume(), or on its way
    kRunning,  // in KVM_RUN
  };
  // What a pass through the loop has come to; nothing: go on.
  using Outcome = std::optional<zx_status_t>;

  Vcpu(RefPtr<GuestMachine> machine, uint32_t index, GuestMachine::KeptVcpu kept);

  [[nodiscard]] Outcome LookAtFlags();
  // KVM_RUN, unless somebody has notified since `seen`: then EINTR.
  [[nodiscard]] int Enter(uint32_t seen);
  // Lets KVM end the instruction that it is in, without entering the guest.
  [[nodiscard]] Outcome Finish(zx_port_packet_t* out);
  [[nodiscard]] Outcome RunOnce(zx_port_packet_t* out);
  [[nodiscard]] Outcome Act(zx_port_packet_t* out);
  [[nodiscard]] Outcome ActOn(const ExitAction& action, zx_port_packet_t* out);
  [[nodiscard]] Outcome OnMachineExit(zx_port_packet_t* out);
  [[nodiscard]] Outcome Perform();
  [[nodiscard]] Outcome RingBell(const Trap& trap);
  [[nodiscard]] Outcome WaitForInterrupt();
  [[nodiscard]] Outcome Packet(uint32_t type, uint64_t key, zx_port_packet_t* out);
  [[nodiscard]] Outcome FailWith(zx_status_t status, std::string_view why);
  // The same of the exit that is being dealt with: its access is told too.
  [[nodiscard]] Outcome FailAtExit(zx_status_t status, std::string_view why);
  [[nodiscard]] Outcome EndWith(zx_status_t status, std::string why, const GuestAccess& access);

  struct ThreadSlot;
  static std::shared_ptr<ThreadSlot>& OwnSlot();

  const RefPtr<GuestMachine> machine_;
  const LatestTraps traps_;
  const uint32_t index_;
  const std::shared_ptr<ThreadSlot> thread_;
  std::unique_ptr<KvmVcpu> kvm_;
  bool has_begun_;
  arch::GuestCpu cpu_;
  InterruptSet interrupts_;
  // The exit has to be looked at once more before KVM_RUN: what it failed for may have been mended.
  bool exit_stays_ = false;
  // The thread sleeps until an interrupt comes.
  bool halted_ = false;
  std::string why_;

  std::atomic<bool> kicked_ = false;
  std::atomic<uint32_t> place_ = static_cast<uint32_t>(Place::kOutside);
  std::atomic<uint32_t> notices_ = 0;

  std::mutex info_lock_;
  std::optional<zxl_vcpu_exit_info_t> info_;  // info_lock_
};

}  // namespace zxctl
