// What needs no KVM: traps, exits, interrupts, bells.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "arch/guest.h"
#include "arch/interrupt_set.h"
#include "arch/kvm.h"
#include "base/clock.h"
#include "object/futex.h"
#include "object/port.h"
#include "vcpu/bell.h"
#include "vcpu/doorbells.h"
#include "vcpu/handle_exit.h"
#include "vcpu/traps.h"

namespace zxctl {
namespace {

constexpr uint64_t kPage = 4096;

// ---- traps -----------------------------------------------------------------------------------------------------------

struct TrapCase {
  uint32_t kind;
  uint64_t address;
  uint64_t size;
  bool has_port;
  zx_status_t status;
};

TEST(TrapMap, ChecksInZirconsOrder) {
  const TrapCase cases[] = {
      {9, 1, 0, true, ZX_ERR_INVALID_ARGS},  // the size, before all else
      {9, UINT64_MAX, 1, true, ZX_ERR_OUT_OF_RANGE},
      {9, 0, kPage, false, ZX_ERR_INVALID_ARGS},
      {ZX_GUEST_TRAP_BELL, 1, kPage, false, ZX_ERR_INVALID_ARGS},
      {ZX_GUEST_TRAP_BELL, kPage, kPage, true, ZX_OK},
      {ZX_GUEST_TRAP_BELL, 1, kPage, true, ZX_ERR_INVALID_ARGS},
      {ZX_GUEST_TRAP_MEM, kPage, kPage, true, ZX_ERR_INVALID_ARGS},
      {ZX_GUEST_TRAP_MEM, kPage, kPage, false, ZX_OK},
      {ZX_GUEST_TRAP_MEM, kPage, 1, false, ZX_ERR_INVALID_ARGS},
      {ZX_GUEST_TRAP_MEM, arch::kGuestPhysicalBytes - kPage, kPage, false, ZX_OK},
      {ZX_GUEST_TRAP_MEM, arch::kGuestPhysicalBytes, kPage, false, ZX_ERR_OUT_OF_RANGE},
      {ZX_GUEST_TRAP_MEM, 0, UINT64_MAX - kPage + 1, false, ZX_ERR_OUT_OF_RANGE},
  };
  for (const TrapCase& each : cases) {
    EXPECT_EQ(TrapMap::Check(each.kind, each.address, each.size, each.has_port), each.status)
        << each.kind << " " << std::hex << each.address << " " << each.size;
    if (each.status == ZX_OK) continue;
    EXPECT_NE(TrapMap::Explain(each.status, each.kind, each.address, each.size, each.has_port), "");
  }
}

TEST(TrapMap, FindsTheOneThatHasTheAddress) {
  TrapMap traps;
  traps.Add({.kind = ZX_GUEST_TRAP_MEM, .address = 2 * kPage, .size = 2 * kPage, .key = 1});
  traps.Add({.kind = ZX_GUEST_TRAP_MEM, .address = 8 * kPage, .size = kPage, .key = 2});
  traps.Add({.kind = ZX_GUEST_TRAP_IO, .address = 2 * kPage, .size = 4, .key = 3});
  EXPECT_EQ(traps.FindMemory(2 * kPage - 1), nullptr);
  EXPECT_EQ(traps.FindMemory(2 * kPage)->key, 1U);
  EXPECT_EQ(traps.FindMemory(4 * kPage - 1)->key, 1U);
  EXPECT_EQ(traps.FindMemory(4 * kPage), nullptr);
  EXPECT_EQ(traps.FindMemory(8 * kPage)->key, 2U);
  EXPECT_EQ(traps.FindPort(2 * kPage + 3)->key, 3U);
  EXPECT_EQ(traps.FindPort(2 * kPage + 4), nullptr);
  EXPECT_EQ(traps.NextMemory(0)->key, 1U);
  EXPECT_EQ(traps.NextMemory(3 * kPage)->key, 1U);
  EXPECT_EQ(traps.NextMemory(4 * kPage)->key, 2U);
  EXPECT_EQ(traps.NextMemory(9 * kPage), nullptr);
}

TEST(TrapMap, IntersectsInItsOwnSpaceOnly) {
  TrapMap traps;
  traps.Add({.kind = ZX_GUEST_TRAP_MEM, .address = 4 * kPage, .size = 2 * kPage});
  const auto meets = [&](uint32_t kind, uint64_t address, uint64_t size) {
    return traps.Intersects({.kind = kind, .address = address, .size = size});
  };
  EXPECT_FALSE(meets(ZX_GUEST_TRAP_MEM, 3 * kPage, kPage));
  EXPECT_TRUE(meets(ZX_GUEST_TRAP_MEM, 3 * kPage, kPage + 1));
  EXPECT_TRUE(meets(ZX_GUEST_TRAP_BELL, 5 * kPage, kPage));
  EXPECT_TRUE(meets(ZX_GUEST_TRAP_BELL, 0, 100 * kPage));
  EXPECT_FALSE(meets(ZX_GUEST_TRAP_MEM, 6 * kPage, kPage));
  EXPECT_FALSE(meets(ZX_GUEST_TRAP_IO, 5 * kPage, 1));
}

// ---- exits -----------------------------------------------------------------------------------------------------------

class View final : public GuestView {
 public:
  [[nodiscard]] GuestPlace AtMemory(uint64_t /*address*/) const override { return place; }
  [[nodiscard]] const Trap* AtPort(uint16_t /*port*/) const override { return port; }

  GuestPlace place;
  const Trap* port = nullptr;
};

kvm_run Mmio(uint64_t address, bool write) {
  kvm_run page = {};
  page.exit_reason = KVM_EXIT_MMIO;
  page.mmio.phys_addr = address;
  page.mmio.len = 4;
  page.mmio.is_write = write;
  return page;
}

kvm_run Reason(uint32_t reason) {
  kvm_run page = {};
  page.exit_reason = reason;
  return page;
}

TEST(HandleExit, MemoryByWhatIsThere) {
  using Kind = ExitAction::Kind;
  const Trap memory = {.kind = ZX_GUEST_TRAP_MEM};
  const Trap bell = {.kind = ZX_GUEST_TRAP_BELL};
  struct Case {
    GuestPlace place;
    bool write;
    Kind kind;
    zx_status_t status;
    bool stays;
  };
  const Case cases[] = {
      {{.trap = &memory}, true, Kind::kMemory, ZX_OK, false},
      {{.trap = &memory}, false, Kind::kMemory, ZX_OK, false},
      {{.trap = &bell}, true, Kind::kBell, ZX_OK, false},
      {{.trap = &bell}, false, Kind::kFail, ZX_ERR_NOT_SUPPORTED, false},
      {{.mapped = true, .writable = true}, true, Kind::kPerform, ZX_OK, false},
      {{.mapped = true, .writable = false}, false, Kind::kPerform, ZX_OK, false},
      {{.mapped = true, .writable = false}, true, Kind::kFail, ZX_ERR_ACCESS_DENIED, true},
      {{}, true, Kind::kFail, ZX_ERR_NOT_FOUND, true},
  };
  for (const Case& each : cases) {
    View view;
    view.place = each.place;
    const ExitAction action = HandleExit(Mmio(0x1000, each.write), view);
    EXPECT_EQ(action.kind, each.kind);
    EXPECT_EQ(action.status, each.status);
    EXPECT_EQ(action.stays, each.stays);
    EXPECT_EQ(action.trap, each.kind == Kind::kFail || each.kind == Kind::kPerform ? nullptr : each.place.trap);
  }
  EXPECT_EQ(HandleExit(Mmio(arch::kGuestPhysicalBytes, true), View()).status, ZX_ERR_OUT_OF_RANGE);
}

TEST(HandleExit, ReasonsThatEndIt) {
  struct Case {
    uint32_t reason;
    ExitAction::Kind kind;
    zx_status_t status;
  };
  using Kind = ExitAction::Kind;
  const Case cases[] = {
      {KVM_EXIT_IO, Kind::kFail, ZX_ERR_NOT_FOUND},
      {KVM_EXIT_HLT, Kind::kHalt, ZX_OK},
      {KVM_EXIT_INTR, Kind::kRunAgain, ZX_OK},
      {KVM_EXIT_IRQ_WINDOW_OPEN, Kind::kRunAgain, ZX_OK},
      {KVM_EXIT_SET_TPR, Kind::kRunAgain, ZX_OK},
      {KVM_EXIT_X86_WRMSR, Kind::kMachine, ZX_OK},
      {KVM_EXIT_SHUTDOWN, Kind::kFail, ZX_ERR_NOT_SUPPORTED},
      {KVM_EXIT_INTERNAL_ERROR, Kind::kFail, ZX_ERR_INTERNAL},
      {KVM_EXIT_FAIL_ENTRY, Kind::kFail, ZX_ERR_INTERNAL},
      {KVM_EXIT_SYSTEM_EVENT, Kind::kFail, ZX_ERR_NOT_SUPPORTED},
      {KVM_EXIT_DEBUG, Kind::kFail, ZX_ERR_NOT_SUPPORTED},
      {0xffff, Kind::kFail, ZX_ERR_NOT_SUPPORTED},
  };
  for (const Case& each : cases) {
    const ExitAction action = HandleExit(Reason(each.reason), View());
    EXPECT_EQ(action.kind, each.kind) << each.reason;
    EXPECT_EQ(action.status, each.status) << each.reason;
    EXPECT_EQ(action.why.empty(), each.kind != Kind::kFail) << each.reason;
  }
}

TEST(HandleExit, TheAccessInWords) {
  kvm_run page = Reason(KVM_EXIT_MMIO);
  page.mmio.phys_addr = 0x1000;
  page.mmio.len = 4;
  EXPECT_EQ(AccessOf(page).ToString(), "a load of 4 bytes from 0x1000");
  page.mmio.is_write = 1;
  EXPECT_EQ(AccessOf(page).ToString(), "a store of 4 bytes to 0x1000");
  page = Reason(KVM_EXIT_IO);
  page.io.port = 0x60;
  page.io.size = 1;
  page.io.direction = KVM_EXIT_IO_IN;
  EXPECT_EQ(AccessOf(page).ToString(), "IN of 1 byte from port 0x60");
  page.io.direction = KVM_EXIT_IO_OUT;
  EXPECT_EQ(AccessOf(page).ToString(), "OUT of 1 byte to port 0x60");
  EXPECT_EQ(AccessOf(Reason(KVM_EXIT_HLT)).kind, ZXL_VCPU_ACCESS_NONE);
}

// An instruction that the processor does not describe: only where nobody waits for it may it be tried again.
TEST(HandleExit, AccessesThatNobodyDescribes) {
  using Kind = ExitAction::Kind;
  kvm_run page = Reason(KVM_EXIT_ARM_NISV);
  page.arm_nisv.fault_ipa = 0x1008;
  EXPECT_EQ(AccessOf(page).ToString(), "a load of some bytes from 0x1008");
  page.arm_nisv.esr_iss = 1U << 6;
  EXPECT_EQ(AccessOf(page).ToString(), "a store of some bytes to 0x1008");
  View view;
  EXPECT_EQ(HandleExit(page, view).status, ZX_ERR_NOT_FOUND);
  EXPECT_FALSE(HandleExit(page, view).stays);
  view.place = {.mapped = true};
  EXPECT_EQ(HandleExit(page, view).status, ZX_ERR_ACCESS_DENIED);
  view.place = {.mapped = true, .writable = true};
  EXPECT_EQ(HandleExit(page, view).kind, Kind::kRunAgain);
  const Trap trap;
  view.place = {.trap = &trap};
  EXPECT_EQ(HandleExit(page, view).status, ZX_ERR_IO_DATA_INTEGRITY);
  EXPECT_EQ(HandleExit(Reason(KVM_EXIT_HYPERCALL), view).kind, Kind::kMachine);
}

TEST(HandleExit, ErrorsOfTheCall) {
  EXPECT_EQ(HandleRunError(EINVAL).status, ZX_ERR_BAD_STATE);
  EXPECT_EQ(HandleRunError(EIO).status, ZX_ERR_BAD_STATE);
  EXPECT_EQ(HandleRunError(EFAULT).status, ZX_ERR_INTERNAL);
  EXPECT_EQ(HandleRunError(ENOMEM).status, ZX_ERR_INTERNAL);
}

// ---- interrupts ------------------------------------------------------------------------------------------------------

TEST(InterruptSet, KeepsEachVectorOnce) {
  InterruptSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.Highest());
  for (const uint32_t vector : {0U, 63U, 64U, 255U, 64U}) set.Raise(vector);
  EXPECT_EQ(set.Lowest(), 0U);
  for (const uint32_t vector : {255U, 64U, 63U, 0U}) {
    EXPECT_EQ(set.Highest(), vector);
    EXPECT_TRUE(set.Take(vector));
    EXPECT_FALSE(set.Take(vector));
  }
  EXPECT_TRUE(set.empty());
}

// ---- bells -----------------------------------------------------------------------------------------------------------

TEST(Bell, IsFullAt256UntilOneIsTaken) {
  const RefPtr<Port> port = Port::Create();
  const auto bell = MakeRefCounted<Bell>(port, 9, RefPtr<Doorbells>());
  ASSERT_EQ(port->AddSource(RefPtr<PacketSource>(bell.get())), ZX_OK);
  std::atomic<uint32_t> word = 0;
  bell->AddWaiter(word);
  for (uint32_t i = 0; i < Bell::kMaxPackets; ++i) ASSERT_EQ(bell->Ring(i), ZX_OK);
  EXPECT_EQ(bell->Ring(0), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(word.load(), 0U);
  zx_port_packet_t packet = {};
  ASSERT_EQ(port->Wait(0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 9U);
  EXPECT_EQ(packet.type, ZX_PKT_TYPE_GUEST_BELL);
  EXPECT_EQ(packet.guest_bell.addr, 0U);
  EXPECT_EQ(word.load(), 1U);
  EXPECT_EQ(bell->Ring(1000), ZX_OK);
  EXPECT_EQ(bell->Ring(1001), ZX_ERR_SHOULD_WAIT);
  bell->RemoveWaiter(word);
  port->OnLastHandleClosed();
  EXPECT_EQ(bell->Ring(0), ZX_ERR_BAD_STATE);
}

TEST(Bell, ItsPacketsLeaveThePortWithIt) {
  const RefPtr<Port> port = Port::Create();
  const auto bell = MakeRefCounted<Bell>(port, 9, RefPtr<Doorbells>());
  ASSERT_EQ(port->AddSource(RefPtr<PacketSource>(bell.get())), ZX_OK);
  ASSERT_EQ(port->QueueUser({.key = 1}), ZX_OK);
  ASSERT_EQ(bell->Ring(5), ZX_OK);
  ASSERT_EQ(port->QueueUser({.key = 2}), ZX_OK);
  ASSERT_EQ(bell->Ring(6), ZX_OK);
  bell->End();
  zx_port_packet_t packet = {};
  ASSERT_EQ(port->Wait(0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 1U);
  ASSERT_EQ(port->Wait(0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 2U);
  EXPECT_EQ(port->Wait(0, &packet), ZX_ERR_TIMED_OUT);
  // Nor do any come behind it.
  EXPECT_EQ(bell->Ring(7), ZX_ERR_CANCELED);
  EXPECT_EQ(bell->RingCounted(7), ZX_ERR_CANCELED);
  EXPECT_EQ(port->Wait(0, &packet), ZX_ERR_TIMED_OUT);
}

// However full the port is with others' packets.
TEST(Bell, RingsInAFullPort) {
  const RefPtr<Port> port = Port::Create();
  const auto bell = MakeRefCounted<Bell>(port, 9, RefPtr<Doorbells>());
  ASSERT_EQ(port->AddSource(RefPtr<PacketSource>(bell.get())), ZX_OK);
  while (port->QueueUser({}) == ZX_OK) continue;
  EXPECT_EQ(bell->Ring(1), ZX_OK);
  bell->End();
}

TEST(Bell, WhoFindsItLateWaitsForThoseThatWereCounted) {
  const RefPtr<Port> port = Port::Create();
  const auto bell = MakeRefCounted<Bell>(port, 9, RefPtr<Doorbells>());
  bell->SetLate(true);
  EXPECT_EQ(bell->Ring(1), ZX_ERR_SHOULD_WAIT);
  EXPECT_EQ(bell->RingCounted(2), ZX_OK);
  bell->SetLate(false);
  EXPECT_EQ(bell->Ring(3), ZX_OK);
  zx_port_packet_t packet = {};
  for (const uint64_t address : {2U, 3U}) {
    ASSERT_EQ(port->Wait(0, &packet), ZX_OK);
    EXPECT_EQ(packet.guest_bell.addr, address);
  }
}

// Its guest's program may take all packets of a port just when the kernel stops counting.
class DoorbellVm final : public KvmVm {
 public:
  explicit DoorbellVm(RefPtr<Port> emptied_port) : port_(std::move(emptied_port)) {}

  int CreateVcpu(uint32_t /*id*/, std::unique_ptr<KvmVcpu>* /*out*/) override { return ENOSYS; }
  int SetMemory(const kvm_userspace_memory_region& /*slot*/) override { return ENOSYS; }
  int SetDoorbell(const kvm_ioeventfd& doorbell) override {
    event = doorbell.fd;
    if ((doorbell.flags & KVM_IOEVENTFD_FLAG_DEASSIGN) == 0 || !port_) return 0;
    zx_port_packet_t packet = {};
    while (port_->Wait(0, &packet) == ZX_OK) continue;
    emptied.set_value();
    return 0;
  }
  int CreateDevice(uint32_t /*type*/, std::unique_ptr<KvmDevice>* /*out*/) override { return ENODEV; }
  int Control(unsigned long /*request*/, void* /*argument*/) override { return ENOSYS; }

  void Write(uint64_t count) const {
    EXPECT_EQ(write(event, &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
  }

  int event = -1;
  std::promise<void> emptied;

 private:
  const RefPtr<Port> port_;
};

TEST(Doorbells, AllThatWasCountedIsToldHoweverSlowThePortIs) {
  constexpr uint64_t kCounted = 5 * Bell::kMaxPackets;
  const RefPtr<Port> port = Port::Create();
  const auto vm = std::make_shared<DoorbellVm>(RefPtr<Port>());
  const auto doorbells = MakeRefCounted<Doorbells>(vm);
  const auto bell = MakeRefCounted<Bell>(port, 9, doorbells);
  ASSERT_EQ(port->AddSource(RefPtr<PacketSource>(bell.get())), ZX_OK);
  doorbells->Count(bell, 0x1000);
  vm->Write(kCounted);
  zx_port_packet_t packet = {};
  for (uint64_t i = 0; i < kCounted; ++i) ASSERT_EQ(port->Wait(kNever, &packet), ZX_OK);
  EXPECT_EQ(port->Wait(0, &packet), ZX_ERR_TIMED_OUT);
  bell->End();
  doorbells->Stop();
}

TEST(Doorbells, ThatCatchUpWhileTheyStopCountingLeaveNobodyWaiting) {
  const RefPtr<Port> port = Port::Create();
  const auto vm = std::make_shared<DoorbellVm>(port);
  const auto doorbells = MakeRefCounted<Doorbells>(vm);
  const auto bell = MakeRefCounted<Bell>(port, 9, doorbells);
  ASSERT_EQ(port->AddSource(RefPtr<PacketSource>(bell.get())), ZX_OK);
  doorbells->Count(bell, 0x1000);
  std::atomic<uint32_t> word = 0;
  bell->AddWaiter(word);
  for (uint32_t i = 0; i < Bell::kMaxPackets; ++i) ASSERT_EQ(bell->Ring(i), ZX_OK);
  vm->Write(1);
  vm->emptied.get_future().wait();
  zx_port_packet_t packet = {};
  ASSERT_EQ(port->Wait(kNever, &packet), ZX_OK);
  EXPECT_EQ(packet.guest_bell.addr, 0x1000U);
  for (;;) {
    const uint32_t seen = word.load();
    const zx_status_t status = bell->Ring(1);
    if (status == ZX_OK) break;
    ASSERT_EQ(status, ZX_ERR_SHOULD_WAIT);
    FutexWait(word, seen, kNever);
  }
  bell->RemoveWaiter(word);
  bell->End();
  doorbells->Stop();
}

}  // namespace
}  // namespace zxctl
