// Every kind of registers of a real thread: what is read is what it has, what is written is what it goes on with, what cannot be
// is refused and changes nothing, and of what Linux does not have on this machine it is said in words.
#include <sys/auxv.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "live/registers_test.h"

namespace zxctl::test {
namespace {

constexpr size_t kFloats = 32;
// What is above a number of 64 bits.
constexpr uint64_t kBoxed = ~uint64_t{0};

// What it had after its breakpoint; target_registers knows the order.
struct Found {
  uint64_t f[kFloats];
  uint64_t fcsr;
};

bool HasVectors() { return (getauxval(AT_HWCAP) >> ('v' - 'a') & 1) != 0; }

class Registers : public RegistersTest {
 protected:
  Found Finish() {
    PassBreakpoint(thread_);
    return FinishAs<Found>();
  }
};

TEST_F(Registers, KindsThatThereAreNot) { ExpectNoSuchKinds(); }

TEST_F(Registers, SizesOfTheKinds) { ExpectSizes({{0, 256}, {1, 528}}); }

// Neither steps nor hardware breakpoints: the kernel has no way to ask for them.
TEST_F(Registers, OfKindsThatThereAreNotItIsSaidWhy) {
  const zx::SuspendToken token = Suspend();
  std::map<uint32_t, std::string> reasons = {{ZX_THREAD_STATE_DEBUG_REGS, "no debug registers"},
                                             {ZX_THREAD_STATE_SINGLE_STEP, "cannot step"}};
  if (!HasVectors()) reasons[ZX_THREAD_STATE_VECTOR_REGS] = "no vector registers";
  for (const auto& [kind, why] : reasons) {
    std::vector<uint8_t> buffer(4096);
    EXPECT_EQ(thread_.read_state(kind, buffer.data(), buffer.size()), ZX_ERR_NOT_SUPPORTED) << kind;
    EXPECT_NE(std::string(zxl_last_error()).find(why), std::string::npos) << zxl_last_error();
    EXPECT_EQ(thread_.write_state(kind, buffer.data(), buffer.size()), ZX_ERR_NOT_SUPPORTED) << kind;
    EXPECT_NE(std::string(zxl_last_error()).find(why), std::string::npos) << zxl_last_error();
  }
}

TEST_F(Registers, GeneralOnesTakeAnyValue) {
  StandAt("x");
  const GeneralRegs before = Read<GeneralRegs>(thread_);
  EXPECT_EQ(before.t0, at("pattern"));
  GeneralRegs all = before;
  all.tp = ~uint64_t{0};
  all.gp = uint64_t{1} << 63;
  all.sp = 1;
  EXPECT_EQ(Write(thread_, all), ZX_OK) << zxl_last_error();
  const GeneralRegs after = Read<GeneralRegs>(thread_);
  EXPECT_EQ(std::memcmp(&after, &all, sizeof(all)), 0);
  EXPECT_EQ(Write(thread_, before), ZX_OK) << zxl_last_error();
  static_cast<void>(Finish());
}

TEST_F(Registers, FloatingPointIsReadAndWritten) {
  StandAt("x");
  FpRegs regs = Read<FpRegs>(thread_);
  for (size_t i = 0; i < kFloats; ++i) {
    EXPECT_EQ(BytesOf(&regs.q[i].low, sizeof(uint64_t)), Pattern(i * sizeof(uint64_t), sizeof(uint64_t))) << i;
    EXPECT_EQ(regs.q[i].high, kBoxed) << i;
    regs.q[i].low = ~i;
  }
  EXPECT_EQ(regs.fcsr, 0U);
  // Rounds towards zero, and each exception has been.
  regs.fcsr = 0x3f;
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const Found found = Finish();
  for (size_t i = 0; i < kFloats; ++i) EXPECT_EQ(found.f[i], ~i) << i;
  EXPECT_EQ(found.fcsr, 0x3fU);
}

TEST_F(Registers, AHighHalfThatThereIsNotChangesNothing) {
  StandAt("x");
  const FpRegs before = Read<FpRegs>(thread_);
  FpRegs wrong = before;
  wrong.q[0].low = 1;
  wrong.q[31].high = 0;
  ExpectRefused(Write(thread_, wrong), "q[31].high is 0");
  const FpRegs after = Read<FpRegs>(thread_);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  static_cast<void>(Finish());
}

// ---- vectors ----

using VectorRegs = zx_thread_state_vector_regs_t;

// What it had after the breakpoint of 'v'.
struct FoundVectors {
  uint8_t v[512];
  uint64_t vcsr, vstart, vl, vtype;
};

constexpr uint64_t kThreeOf32 = 0xd0;  // e32, m1, ta, ma

class VectorRegisters : public Registers {
 protected:
  void SetUp() override {
    if (!HasVectors()) GTEST_SKIP() << "this machine has no vector extension";
  }
  VectorRegs ReadVectors() {
    VectorRegs regs = {};
    EXPECT_EQ(thread_.read_state(ZX_THREAD_STATE_VECTOR_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
    return regs;
  }
  zx_status_t WriteVectors(const VectorRegs& regs) {
    return thread_.write_state(ZX_THREAD_STATE_VECTOR_REGS, &regs, sizeof(regs));
  }
  FoundVectors FinishVectors() {
    PassBreakpoint(thread_);
    return FinishAs<FoundVectors>();
  }
};

TEST_F(VectorRegisters, AreReadAndWritten) {
  StandAt("v");
  VectorRegs regs = ReadVectors();
  EXPECT_EQ(BytesOf(regs.v, sizeof(regs.v)), Pattern(0, sizeof(regs.v)));
  EXPECT_EQ(regs.vcsr, 5U);
  EXPECT_EQ(regs.vstart, 0U);
  EXPECT_EQ(regs.vl, 3U);
  EXPECT_EQ(regs.vtype, kThreeOf32);
  for (uint64_t i = 0; i < kFloats; ++i) regs.v[i] = {.low = ~i, .high = i << 56};
  // 64-bit elements in groups of eight registers: 16 of them.
  regs.vtype = 0x1b;
  regs.vl = 15;
  regs.vstart = 14;
  regs.vcsr = 2;
  ASSERT_EQ(WriteVectors(regs), ZX_OK) << zxl_last_error();
  const VectorRegs after = ReadVectors();
  EXPECT_EQ(std::memcmp(&after, &regs, sizeof(regs)), 0);
  const FoundVectors found = FinishVectors();
  EXPECT_EQ(BytesOf(found.v, sizeof(found.v)), BytesOf(regs.v, sizeof(regs.v)));
  EXPECT_EQ(found.vcsr, 2U);
  EXPECT_EQ(found.vstart, 14U);
  EXPECT_EQ(found.vl, 15U);
  EXPECT_EQ(found.vtype, 0x1bU);
}

TEST_F(VectorRegisters, WhatCannotBeIsRefusedAndChangesNothing) {
  StandAt("v");
  const VectorRegs before = ReadVectors();
  const auto refused = [&](const char* why, auto change) {
    VectorRegs wrong = before;
    wrong.v[0] = {};
    change(wrong);
    ExpectRefused(WriteVectors(wrong), why);
  };
  refused("vcsr 0x8", [](VectorRegs& regs) { regs.vcsr = 8; });
  refused("vtype 0x4", [](VectorRegs& regs) { regs.vtype = 4; });
  refused("vtype 0x8000000000000000", [](VectorRegs& regs) { regs.vtype = uint64_t{1} << 63; });
  refused("vl 5", [](VectorRegs& regs) { regs.vl = 5; });
  refused("vstart 4", [](VectorRegs& regs) { regs.vstart = 4; });
  const VectorRegs after = ReadVectors();
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  const FoundVectors found = FinishVectors();
  EXPECT_EQ(BytesOf(found.v, sizeof(found.v)), Pattern(0, sizeof(found.v)));
  EXPECT_EQ(found.vl, 3U);
}

TEST_F(VectorRegisters, AreNotLostInACallThatIsMadeForUs) {
  StandAt("v");
  const VectorRegs before = ReadVectors();
  for (int i = 0; i < 3; ++i) {
    zx::Thread made;
    EXPECT_EQ(zx::Thread::create(process_, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
  }
  const VectorRegs after = ReadVectors();
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  const FoundVectors found = FinishVectors();
  EXPECT_EQ(BytesOf(found.v, sizeof(found.v)), Pattern(0, sizeof(found.v)));
  EXPECT_EQ(found.vl, 3U);
  EXPECT_EQ(found.vtype, kThreeOf32);
}

TEST_F(VectorRegisters, OfAThreadThatHasUsedNoneAreZeroAndCannotBeWritten) {
  const zx::SuspendToken token = Suspend();
  const VectorRegs none = {};
  const VectorRegs regs = ReadVectors();
  EXPECT_EQ(std::memcmp(&regs, &none, sizeof(regs)), 0);
  EXPECT_EQ(WriteVectors(regs), ZX_ERR_BAD_STATE);
  EXPECT_NE(std::string(zxl_last_error()).find("no vector instruction"), std::string::npos) << zxl_last_error();
}

}  // namespace
}  // namespace zxctl::test
