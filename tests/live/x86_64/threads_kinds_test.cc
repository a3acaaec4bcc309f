// x86-64's registers, field by field: those of floating point, the edges of the general ones, and what a thread that is made has.
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "live/debug_registers_test.h"
#include "live/started_program.h"

namespace zxctl::test {
namespace {

// What fxsave64 stores, and what target_registers has found besides.
struct Found {
  uint16_t fcw, fsw;
  uint8_t ftw, reserved;
  uint16_t fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  zx_thread_state_register128_t st[8];
  uint8_t others[352 + 512 + 64 + 64 + 8];
};
static_assert(sizeof(Found) == 1160);

class RegisterFields : public DebugRegistersTest {};

uint64_t Half() { return uint64_t{1} << (arch::AddressBits() - 1); }

// ---- floating point --------------------------------------------------------------------------------------------------

// An invalid operation is pending and not masked: without one, processors may leave fop, fip and fdp out.
FpRegs DistinctFp() {
  FpRegs regs = {};
  regs.fcw = 0x37e;
  regs.fsw = 0xd981;
  regs.ftw = 0xb5;
  regs.fop = 0x2a5;
  regs.fip = 0x712345678900;
  regs.fdp = 0x6fedcba98700;
  // Numbers between 1 and 256, with another mantissa each.
  for (uint64_t i = 0; i < 8; ++i)
    regs.st[i] = {.low = 0x8000000000000000 | 0x0101010101010101 * i, .high = 0x3fff + i};
  return regs;
}

TEST_F(RegisterFields, EachOfFloatingPointArrives) {
  StandAt("x");
  const FpRegs regs = DistinctFp();
  EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  const auto after = Read<FpRegs>(thread_);
  EXPECT_EQ(std::memcmp(&after, &regs, sizeof(regs)), 0);
  const auto found = FinishAs<Found>();
  EXPECT_EQ(found.fcw, regs.fcw);
  EXPECT_EQ(found.fsw, regs.fsw);
  EXPECT_EQ(found.ftw, regs.ftw);
  EXPECT_EQ(found.fop, regs.fop);
  EXPECT_EQ(found.fip, regs.fip);
  EXPECT_EQ(found.fdp, regs.fdp);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(BytesOf(&found.st[i], 10), BytesOf(&regs.st[i], 10)) << i;
  EXPECT_EQ(found.mxcsr, 0x1f80U);
}

// ---- general ---------------------------------------------------------------------------------------------------------

TEST_F(RegisterFields, RipIsAnyAddressOfTheUsersHalf) {
  StandAt("x");
  const auto before = Read<GeneralRegs>(thread_);
  for (const uint64_t rip : {uint64_t{0}, uint64_t{1}, Half() - 1}) {
    GeneralRegs regs = before;
    regs.rip = rip;
    EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
    EXPECT_EQ(Read<GeneralRegs>(thread_).rip, rip);
  }
  EXPECT_EQ(Write(thread_, before), ZX_OK) << zxl_last_error();
  static_cast<void>(FinishAs<Found>());
}

// It goes on at what has been written.
TEST_F(RegisterFields, ARipWithoutCodeFaultsThere) {
  for (const uint64_t rip : {uint64_t{0}, uint64_t{1}}) {
    StandAt("s");
    const auto before = Read<GeneralRegs>(thread_);
    GeneralRegs regs = before;
    regs.rip = rip;
    EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
    Resume();
    Await(ZX_EXCP_FATAL_PAGE_FAULT);
    EXPECT_EQ(Read<GeneralRegs>(thread_).rip, rip);
    EXPECT_EQ(Write(thread_, before), ZX_OK) << zxl_last_error();
    Resume();
    ExpectLine("stepped");
  }
}

TEST_F(RegisterFields, WhatIsNoAddressIsRefusedByName) {
  StandAt("x");
  const auto before = Read<GeneralRegs>(thread_);
  const auto refuse = [&](uint64_t GeneralRegs::*field, const char* name, uint64_t value) {
    GeneralRegs regs = before;
    regs.rbx = ~regs.rbx;
    regs.*field = value;
    std::ostringstream what;
    what << name << " 0x" << std::hex << value;
    ExpectRefused(Write(thread_, regs), what.str());
    const auto after = Read<GeneralRegs>(thread_);
    EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0) << what.str();
  };
  const uint64_t all = ~uint64_t{0};
  for (const uint64_t value :
       {Half(), uint64_t{1} << 62, uint64_t{1} << 63, all << arch::AddressBits(), all - Half()}) {
    refuse(&GeneralRegs::fs_base, "fs_base", value);
    refuse(&GeneralRegs::gs_base, "gs_base", value);
    refuse(&GeneralRegs::rip, "rip", value);
  }
  for (const uint64_t kernels : {all << (arch::AddressBits() - 1), all << (arch::AddressBits() - 2), all}) {
    refuse(&GeneralRegs::rip, "rip", kernels);
  }
  static_cast<void>(FinishAs<Found>());
}

// ---- made threads ----------------------------------------------------------------------------------------------------

constexpr uint64_t kLocal0And1 = 5;
constexpr uint64_t kWritesEightBytes1 = 0x9 << 20;

void ExpectNothingArmed(const zx::Thread& thread) {
  const auto regs = Read<DebugRegs>(thread);
  for (const uint64_t address : regs.dr) EXPECT_EQ(address, 0U);
  EXPECT_EQ(regs.dr6, 0xffff0ff0U);
  EXPECT_EQ(regs.dr7, 0x700U);
}

TEST(MadeThread, HasNoDebugRegistersOfItsMaker) {
  StartedProgram program;
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 4, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  const zx::Thread leader = LeaderOf(program);
  zx::SuspendToken token;
  ASSERT_EQ(leader.suspend(&token), ZX_OK) << zxl_last_error();
  ASSERT_EQ(leader.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  const DebugRegs armed = {.dr = {program.at("exiter"), program.at("stacks"), 0, 0x1000},
                           .dr6 = 0xf,
                           .dr7 = kLocal0And1 | kWritesEightBytes1};
  ASSERT_EQ(Write(leader, armed), ZX_OK) << zxl_last_error();
  const auto makers = Read<DebugRegs>(leader);
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("exiter"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
  ExpectNothingArmed(thread);
  const auto after = Read<DebugRegs>(leader);
  EXPECT_EQ(std::memcmp(&after, &makers, sizeof(makers)), 0) << "its maker has them still";
  // Where its maker would stop.
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_EXITING);
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  token.reset();
  EXPECT_EQ(program.process.bind_exception_port(zx::Port(), 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  program.ExpectEnd();
}

// The program's own: the kernel copies what it was asked for.
TEST_F(RegisterFields, AThreadThatTheProgramMakesHasNoDebugRegistersOfItsMaker) {
  const zx::Port starts = MakePort();
  ASSERT_EQ(process_.bind_exception_port(starts, 4, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  Arm({.dr = {at("called"), at("watched"), 0, 0x1000}, .dr6 = 0xf, .dr7 = kLocal0And1 | kWritesEightBytes1});
  Tell("t");
  const zx_port_packet_t packet = NextPacket(starts);
  ASSERT_EQ(packet.type, ZX_EXCP_THREAD_STARTING);
  zx::Thread made;
  ASSERT_EQ(process_.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &made), ZX_OK) << zxl_last_error();
  ExpectNothingArmed(made);
  ASSERT_EQ(made.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(starts).type, ZX_EXCP_THREAD_EXITING);
  ASSERT_EQ(made.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  ExpectLine("thread ended");
  EXPECT_EQ(process_.bind_exception_port(zx::Port(), 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
}

// What it was given at its start is there at its exit.
TEST(ExitingThread, KeepsFloatingPointVectorsAndDebugRegisters) {
  StartedProgram program;
  const zx::Port port = MakePort();
  const zx::Thread thread = program.CreateAndStandAtStart(port, "exiter");
  auto fp = Read<FpRegs>(thread);
  fp.st[7] = {.low = 0x8877665544332211, .high = 0x4001};
  EXPECT_EQ(Write(thread, fp), ZX_OK) << zxl_last_error();
  auto vectors = Read<VectorRegs>(thread);
  vectors.zmm[15].v[0] = 0x1122334455667788;
  EXPECT_EQ(Write(thread, vectors), ZX_OK) << zxl_last_error();
  EXPECT_EQ(Write(thread, DebugRegs{.dr = {0, 0, 0, 0x1000}, .dr6 = 0, .dr7 = 0}), ZX_OK) << zxl_last_error();
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_EXITING);
  EXPECT_EQ(Read<FpRegs>(thread).st[7].low, 0x8877665544332211U);
  EXPECT_EQ(Read<VectorRegs>(thread).zmm[15].v[0], 0x1122334455667788U);
  EXPECT_EQ(Read<DebugRegs>(thread).dr[3], 0x1000U);
  vectors.zmm[15].v[0] = 5;
  EXPECT_EQ(Write(thread, vectors), ZX_OK) << zxl_last_error();
  EXPECT_EQ(Read<VectorRegs>(thread).zmm[15].v[0], 5U);
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.process.bind_exception_port(zx::Port(), 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
