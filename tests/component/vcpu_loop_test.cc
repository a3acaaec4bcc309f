// The loop of a VCPU: what other threads want of it at every point of the way, and what KVM_RUN comes back with.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <semaphore>
#include <thread>
#include <vector>

#include "vcpu_fixture.h"

namespace zxctl::test {
namespace {

class VcpuLoop : public VcpuFixture {};

// ---- kicks -----------------------------------------------------------------------------------------------------------

TEST_F(VcpuLoop, AKickBeforeItRunsKeepsItOut) {
  vcpu_->Kick();
  vcpu_->Kick();
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  EXPECT_EQ(vcpu_->why(), "it was kicked");
  EXPECT_TRUE(fake_->entries.empty());
  fake_->Then(Outs(kPort, 1, 5));
  EXPECT_EQ(Resume(), ZX_OK);
}

// A guest that tells a port, waits for an answer, stores and halts, while it is kicked at one of the points that its thread comes
// by. False when there are not so many.
class KickedOnce : public VcpuLoop {
 protected:
  bool RunWithKickAt(int point) {
    int points = 0;
    bool kicked = false;
    size_t entered_before = 0;
    fake_->on_point = [&] {
      if (points++ != point) return;
      vcpu_->Kick();
      kicked = true;
      entered_before = fake_->times_in_guest;
    };
    fake_->Then(Outs(kPort, 1, 5));
    fake_->Then(Ins(kPort, 4));
    fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
    fake_->Then(Stores(kTrap, 4));
    size_t packets = 0;
    int canceled = 0;
    const uint32_t wanted[] = {ZX_PKT_TYPE_GUEST_IO, ZX_PKT_TYPE_GUEST_IO, ZX_PKT_TYPE_GUEST_MEM};
    while (packets < std::size(wanted) && !HasFailure()) {
      const zx_status_t status = Resume();
      if (status == ZX_ERR_CANCELED) {
        EXPECT_TRUE(kicked);
        // Kicked outside, it has not gone in; kicked inside, what it came back with was told before.
        EXPECT_EQ(fake_->times_in_guest, entered_before) << "at point " << point;
        ++canceled;
        continue;
      }
      EXPECT_EQ(status, ZX_OK) << vcpu_->why();
      EXPECT_EQ(packet_.type, wanted[packets]) << "at point " << point;
      ++packets;
      // No IN leaves this, so that KVM has to finish the instruction first.
      if (packets == 2) vcpu_->WriteState({.rax = 0x1'0000'0000});
    }
    if (kicked && canceled == 0) {
      EXPECT_EQ(Resume(), ZX_ERR_CANCELED) << "at point " << point;
      ++canceled;
    }
    fake_->on_point = nullptr;
    EXPECT_EQ(canceled, kicked ? 1 : 0) << "at point " << point;
    return kicked;
  }
};

TEST_F(KickedOnce, WhereverItIsAndNothingIsLost) {
  int point = 0;
  while (RunWithKickAt(point) && !HasFailure()) {
    ++point;
    vcpu_ = {};
    MakeVcpu();
  }
  EXPECT_GT(point, 10);
}

TEST_F(VcpuLoop, AKickBringsItOutOfTheGuest) {
  std::binary_semaphore inside(0);
  fake_->Then(Spins(*fake_, [&] { inside.release(); }));
  std::thread other([&] {
    inside.acquire();
    vcpu_->Kick();
  });
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  other.join();
}

// The exit comes first, and the kick that came with it is the next call's.
TEST_F(VcpuLoop, AKickThatComesWithAnExitIsForTheNextCall) {
  fake_->Then([this](kvm_run& page) {
    vcpu_->Kick();
    return Outs(kPort, 2, 7)(page);
  });
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_io.u32, 7U);
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
}

TEST_F(VcpuLoop, AKickEndsHaltAndItIsHaltedStill) {
  fake_->Then([this](kvm_run& page) {
    vcpu_->Kick();
    return Exits(KVM_EXIT_HLT)(page);
  });
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  vcpu_->Kick();
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  EXPECT_EQ(fake_->times_in_guest, 1U);
  vcpu_->Interrupt(0x40);
  fake_->Then(Outs(kPort, 1, 1));
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(fake_->injected, std::vector<uint32_t>{0x40});
}

// ---- interrupts ------------------------------------------------------------------------------------------------------

TEST_F(VcpuLoop, AnInterruptComesOnceWhereverItIsRaised) {
  for (int point = 0, reached = 1; reached == 1 && !HasFailure(); ++point) {
    int points = 0;
    reached = 0;
    fake_->injected.clear();
    fake_->on_point = [&] {
      if (points++ != point) return;
      vcpu_->Interrupt(0x50);
      reached = 1;
    };
    fake_->Then(Outs(kPort, 1, 5));
    fake_->Then(Ins(kPort, 1));
    fake_->Then(Stores(kTrap, 4));
    for (int i = 0; i < 3; ++i) ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
    fake_->on_point = nullptr;
    // The one that was raised behind the last entry.
    fake_->Then(Outs(kPort, 1, 5));
    ASSERT_EQ(Resume(), ZX_OK);
    const std::vector<uint32_t> wanted(static_cast<size_t>(reached), 0x50);
    EXPECT_EQ(fake_->injected, wanted) << "at point " << point;
    EXPECT_TRUE(reached == 1 || point > 10);
  }
}

// With the halt, and at any point behind it.
TEST_F(VcpuLoop, AnInterruptOnTheWayIntoHaltEndsIt) {
  for (int later = 0; later < 3; ++later) {
    int points = -1;
    fake_->Then([&](kvm_run& page) {
      points = 0;
      if (later == 0) vcpu_->Interrupt(0x50);
      return Exits(KVM_EXIT_HLT)(page);
    });
    fake_->on_point = [&] {
      if (points >= 0 && ++points == later) vcpu_->Interrupt(0x50);
    };
    fake_->Then(Outs(kPort, 1, 6));
    ASSERT_EQ(Resume(), ZX_OK);
    fake_->on_point = nullptr;
    EXPECT_EQ(fake_->injected.size(), static_cast<size_t>(later) + 1);
  }
}

// The window is asked for, and the interrupt given when it is open; the next one has to wait for it once more.
TEST_F(VcpuLoop, WaitsForTheWindow) {
  fake_->raw().if_flag = 0;
  vcpu_->Interrupt(0x40);
  vcpu_->Interrupt(0x60);
  fake_->Then([](kvm_run& page) {
    EXPECT_TRUE(page.request_interrupt_window);
    page.if_flag = 1;
    return Exits(KVM_EXIT_IRQ_WINDOW_OPEN)(page);
  });
  fake_->Then([this](kvm_run& page) {
    EXPECT_TRUE(page.request_interrupt_window);
    fake_->is_ready = false;
    return Exits(KVM_EXIT_INTR)(page);
  });
  fake_->Then([this](kvm_run& page) {
    EXPECT_EQ(fake_->injected, std::vector<uint32_t>{0x60});
    EXPECT_TRUE(page.request_interrupt_window);
    fake_->is_ready = true;
    return Exits(KVM_EXIT_IRQ_WINDOW_OPEN)(page);
  });
  fake_->Then(Outs(kPort, 1, 1));
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(fake_->injected, (std::vector<uint32_t>{0x60, 0x40}));
  EXPECT_FALSE(fake_->entries.back().asks_for_window);
}

// Below 32 they are exceptions, each with the error code that it pushes; a higher vector that waits holds them up.
TEST_F(VcpuLoop, AnExceptionBehindAnInterruptThatWaits) {
  fake_->raw().if_flag = 0;
  vcpu_->Interrupt(13);
  vcpu_->Interrupt(6);
  vcpu_->Interrupt(0x40);
  fake_->Then([this](kvm_run& page) {
    EXPECT_TRUE(fake_->events.empty());
    page.if_flag = 1;
    return Exits(KVM_EXIT_IRQ_WINDOW_OPEN)(page);
  });
  for (int i = 0; i < 3; ++i) fake_->Then(Exits(KVM_EXIT_INTR));
  fake_->Then(Outs(kPort, 1, 1));
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(fake_->injected, std::vector<uint32_t>{0x40});
  ASSERT_EQ(fake_->events.size(), 2U);
  EXPECT_EQ(fake_->events[0].exception.nr, 13);
  EXPECT_EQ(fake_->events[0].exception.has_error_code, 1);
  EXPECT_EQ(fake_->events[0].exception.error_code, 0U);
  EXPECT_EQ(fake_->events[1].exception.nr, 6);
  EXPECT_EQ(fake_->events[1].exception.has_error_code, 0);
}

TEST_F(VcpuLoop, AnInterruptThatKvmDoesNotTakeIsInternal) {
  const struct {
    uint32_t vector;
    unsigned long request;
  } cases[] = {{2, KVM_NMI}, {13, KVM_GET_VCPU_EVENTS}, {14, KVM_SET_VCPU_EVENTS}, {0x40, KVM_INTERRUPT}};
  for (const auto& each : cases) {
    kvm_->world->FailNext(each.request, EFAULT);
    vcpu_->Interrupt(each.vector);
    EXPECT_EQ(Resume(), ZX_ERR_INTERNAL) << each.vector;
    EXPECT_NE(vcpu_->why().find("KVM did not take an interrupt"), std::string::npos) << vcpu_->why();
  }
  EXPECT_TRUE(fake_->entries.empty());
  // One that KVM has refused with its interrupts on is pending still.
  fake_->Then(Outs(kPort, 1, 1));
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(fake_->injected, std::vector<uint32_t>{0x40});
}

// ---- errors of KVM_RUN -----------------------------------------------------------------------------------------------

TEST_F(VcpuLoop, EintrAndEagainWithoutAReasonGoOn) {
  for (const int error : {EINTR, EAGAIN, EINTR, EINTR}) fake_->Then(Fails(error));
  fake_->Then(Outs(kPort, 1, 5));
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(fake_->times_in_guest, 5U);
  // A signal of the program's that came before is none of the guest's business either.
  raise(SIGWINCH);
  fake_->Then(Outs(kPort, 1, 6));
  EXPECT_EQ(Resume(), ZX_OK);
}

TEST_F(VcpuLoop, ErrorsOfKvmRunEndTheCallAndNotTheVcpu) {
  const struct {
    int error;
    zx_status_t status;
  } cases[] = {
      {EINVAL, ZX_ERR_BAD_STATE}, {EIO, ZX_ERR_BAD_STATE}, {EFAULT, ZX_ERR_INTERNAL}, {ENOMEM, ZX_ERR_INTERNAL}};
  for (const auto& each : cases) {
    regs().rip = 0x12345;
    fake_->Then(Fails(each.error));
    EXPECT_EQ(Resume(), each.status) << each.error;
    EXPECT_NE(vcpu_->why().find(strerrorname_np(each.error)), std::string::npos) << vcpu_->why();
    EXPECT_TRUE(vcpu_->ExitInfo().has_value());
    fake_->Then(Outs(kPort, 1, 5));
    EXPECT_EQ(Resume(), ZX_OK);
  }
}

TEST_F(VcpuLoop, WhatEndsAGuestIsWrittenDown) {
  EXPECT_FALSE(vcpu_->ExitInfo().has_value());
  fake_->Then([this](kvm_run& page) {
    regs().rip = 0x1234;
    regs().rbx = 77;
    page.s.regs.sregs.cr2 = 0x5678;
    page.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
    return Exits(KVM_EXIT_INTERNAL_ERROR)(page);
  });
  EXPECT_EQ(Resume(), ZX_ERR_INTERNAL);
  auto info = vcpu_->ExitInfo();
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->kvm_exit_reason, static_cast<uint32_t>(KVM_EXIT_INTERNAL_ERROR));
  EXPECT_EQ(info->suberror, static_cast<uint32_t>(KVM_INTERNAL_ERROR_EMULATION));
  EXPECT_EQ(info->rip, 0x1234U);
  EXPECT_EQ(info->cr2, 0x5678U);
  EXPECT_EQ(info->state.rbx, 77U);
  // Some processors leave nothing of a guest that has shut down: what is shown is what it was before.
  fake_->Then([this](kvm_run& page) {
    regs() = {};
    regs().rip = 0xfff0;
    page.s.regs.sregs.cs.base = 0xffff'0000;
    return Exits(KVM_EXIT_SHUTDOWN)(page);
  });
  EXPECT_EQ(Resume(), ZX_ERR_NOT_SUPPORTED);
  info = vcpu_->ExitInfo();
  EXPECT_EQ(info->rip, 0x1234U);
  EXPECT_EQ(info->state.rbx, 77U);
  fake_->Then([](kvm_run& page) {
    page.fail_entry.hardware_entry_failure_reason = 0x80000021;
    return Exits(KVM_EXIT_FAIL_ENTRY)(page);
  });
  EXPECT_EQ(Resume(), ZX_ERR_INTERNAL);
  EXPECT_EQ(vcpu_->ExitInfo()->hardware_reason, 0x80000021U);
}

// ---- pauses and the end ----------------------------------------------------------------------------------------------

class VcpuPause : public VcpuLoop {};

TEST_F(VcpuPause, BringsItOutAndItGoesInAgain) {
  std::binary_semaphore inside(0);
  std::atomic<bool> is_inside = false;
  fake_->Then([&](kvm_run& page) {
    is_inside.store(true);
    const int error = Spins(*fake_, [&] { inside.release(); })(page);
    is_inside.store(false);
    return error;
  });
  fake_->Then(Outs(kPort, 1, 5));
  std::thread other([&] {
    inside.acquire();
    machine_->Pause([&] { EXPECT_FALSE(is_inside.load()); });
  });
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
  other.join();
}

// While memory is changed an exit that came at the same time is dealt with, and the guest is not entered.
TEST_F(VcpuPause, AnExitThatComesWithIt) {
  std::binary_semaphore inside(0);
  std::binary_semaphore told(0);
  std::atomic<bool> changing = false;
  std::atomic<bool> entered = false;
  fake_->Then([&](kvm_run& page) {
    Spins(*fake_, [&] { inside.release(); })(page);
    return Outs(kPort, 1, 5)(page);
  });
  fake_->Then([&](kvm_run& page) {
    entered.store(true);
    EXPECT_FALSE(changing.load());
    return Outs(kPort, 1, 6)(page);
  });
  std::thread other([&] {
    inside.acquire();
    machine_->Pause([&] {
      changing.store(true);
      told.acquire();
      // Time enough for it to go in, if it would.
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
      while (!entered.load() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      changing.store(false);
    });
  });
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_io.u32, 5U);
  while (!changing.load()) std::this_thread::yield();
  told.release();
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_io.u32, 6U);
  other.join();
}

TEST_F(VcpuPause, AtEveryPointOutsideOfKvmRun) {
  for (int point = 0, reached = 1; reached == 1 && !HasFailure(); ++point) {
    int points = 0;
    reached = 0;
    size_t entries = fake_->entries.size();
    fake_->on_point = [&] {
      // In KVM_RUN it would wait for itself.
      const bool in_run = fake_->entries.size() != entries;
      entries = fake_->entries.size();
      if (in_run || points++ != point) return;
      machine_->Pause([] {});
      reached = 1;
    };
    fake_->Then(Outs(kPort, 1, 5));
    fake_->Then(Stores(kTrap, 4));
    ASSERT_EQ(Resume(), ZX_OK);
    ASSERT_EQ(Resume(), ZX_OK);
    EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_MEM);
    fake_->on_point = nullptr;
    EXPECT_TRUE(reached == 1 || point > 10);
  }
}

TEST_F(VcpuLoop, TheEndOfTheGuestIsForEver) {
  fake_->Then([this](kvm_run& page) {
    machine_->Kill();
    return Outs(kPort, 1, 5)(page);
  });
  EXPECT_EQ(Resume(), ZX_OK);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  vcpu_->Interrupt(0x40);
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  EXPECT_EQ(fake_->times_in_guest, 1U);
}

TEST_F(VcpuLoop, TheEndOfTheGuestReachesOneThatHalts) {
  std::binary_semaphore halts(0);
  fake_->Then([&](kvm_run& page) {
    halts.release();
    return Exits(KVM_EXIT_HLT)(page);
  });
  std::thread other([&] {
    halts.acquire();
    machine_->Kill();
  });
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  other.join();
}

}  // namespace
}  // namespace zxctl::test
