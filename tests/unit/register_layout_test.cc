// Where the registers of every machine stand in the records of zx_thread_read_state(): these are the same everywhere.
#include <gtest/gtest.h>
#include <zircon/syscalls/debug.h>

#include <cstdint>
#include <type_traits>

#include "syscalls/layout.h"

namespace zxctl {
namespace {

TEST(RegisterLayout, KindsHaveTheirNumbers) {
  static_assert(ZX_THREAD_STATE_GENERAL_REGS == 0 && ZX_THREAD_STATE_FP_REGS == 1 && ZX_THREAD_STATE_VECTOR_REGS == 2);
  static_assert(ZX_THREAD_STATE_DEBUG_REGS == 4 && ZX_THREAD_STATE_SINGLE_STEP == 5);
  static_assert(std::is_same_v<zx_thread_state_single_step_t, uint32_t>);
  ZX_LAYOUT_SIZE(zx_thread_state_register128_t, 16);
  ZX_LAYOUT_FIELD(zx_thread_state_register128_t, low, 0);
  ZX_LAYOUT_FIELD(zx_thread_state_register128_t, high, 8);
}

// ---- x86-64 ----------------------------------------------------------------------------------------------------------

TEST(RegisterLayout, GeneralOnesOfX86) {
  using Regs = zx_x86_64_thread_state_general_regs_t;
  ZX_LAYOUT_SIZE(Regs, 160);
  ZX_LAYOUT_FIELD(Regs, rax, 0);
  ZX_LAYOUT_FIELD(Regs, rbx, 8);
  ZX_LAYOUT_FIELD(Regs, rcx, 16);
  ZX_LAYOUT_FIELD(Regs, rdx, 24);
  ZX_LAYOUT_FIELD(Regs, rsi, 32);
  ZX_LAYOUT_FIELD(Regs, rdi, 40);
  ZX_LAYOUT_FIELD(Regs, rbp, 48);
  ZX_LAYOUT_FIELD(Regs, rsp, 56);
  ZX_LAYOUT_FIELD(Regs, r8, 64);
  ZX_LAYOUT_FIELD(Regs, r9, 72);
  ZX_LAYOUT_FIELD(Regs, r10, 80);
  ZX_LAYOUT_FIELD(Regs, r11, 88);
  ZX_LAYOUT_FIELD(Regs, r12, 96);
  ZX_LAYOUT_FIELD(Regs, r13, 104);
  ZX_LAYOUT_FIELD(Regs, r14, 112);
  ZX_LAYOUT_FIELD(Regs, r15, 120);
  ZX_LAYOUT_FIELD(Regs, rip, 128);
  ZX_LAYOUT_FIELD(Regs, rflags, 136);
  ZX_LAYOUT_FIELD(Regs, fs_base, 144);
  ZX_LAYOUT_FIELD(Regs, gs_base, 152);
}

TEST(RegisterLayout, FloatingPointOfX86) {
  using Regs = zx_x86_64_thread_state_fp_regs_t;
  ZX_LAYOUT_SIZE(Regs, 160);
  ZX_LAYOUT_FIELD(Regs, fcw, 0);
  ZX_LAYOUT_FIELD(Regs, fsw, 2);
  ZX_LAYOUT_FIELD(Regs, ftw, 4);
  ZX_LAYOUT_FIELD(Regs, reserved, 5);
  ZX_LAYOUT_FIELD(Regs, fop, 6);
  ZX_LAYOUT_FIELD(Regs, fip, 8);
  ZX_LAYOUT_FIELD(Regs, fdp, 16);
  ZX_LAYOUT_FIELD(Regs, padding, 24);
  ZX_LAYOUT_FIELD(Regs, st, 32);
  ZX_LAYOUT_FIELD(Regs, st[7], 144);
}

TEST(RegisterLayout, VectorsOfX86) {
  using Regs = zx_x86_64_thread_state_vector_regs_t;
  ZX_LAYOUT_SIZE(Regs, 2120);
  ZX_LAYOUT_FIELD(Regs, zmm, 0);
  ZX_LAYOUT_FIELD(Regs, zmm[1], 64);
  ZX_LAYOUT_FIELD(Regs, zmm[31].v[7], 2040);
  ZX_LAYOUT_FIELD(Regs, opmask, 2048);
  ZX_LAYOUT_FIELD(Regs, opmask[7], 2104);
  ZX_LAYOUT_FIELD(Regs, mxcsr, 2112);
  ZX_LAYOUT_FIELD(Regs, reserved, 2116);
}

TEST(RegisterLayout, DebugRegistersOfX86) {
  using Regs = zx_x86_64_thread_state_debug_regs_t;
  ZX_LAYOUT_SIZE(Regs, 48);
  ZX_LAYOUT_FIELD(Regs, dr, 0);
  ZX_LAYOUT_FIELD(Regs, dr[3], 24);
  ZX_LAYOUT_FIELD(Regs, dr6, 32);
  ZX_LAYOUT_FIELD(Regs, dr7, 40);
}

// ---- arm64 -----------------------------------------------------------------------------------------------------------

TEST(RegisterLayout, GeneralOnesOfArm64) {
  using Regs = zx_arm64_thread_state_general_regs_t;
  ZX_LAYOUT_SIZE(Regs, 280);
  ZX_LAYOUT_FIELD(Regs, r, 0);
  ZX_LAYOUT_FIELD(Regs, r[29], 232);
  ZX_LAYOUT_FIELD(Regs, lr, 240);
  ZX_LAYOUT_FIELD(Regs, sp, 248);
  ZX_LAYOUT_FIELD(Regs, pc, 256);
  ZX_LAYOUT_FIELD(Regs, cpsr, 264);
  ZX_LAYOUT_FIELD(Regs, tpidr, 272);
}

TEST(RegisterLayout, FloatingPointAndVectorsOfArm64) {
  using Regs = zx_arm64_thread_state_vector_regs_t;
  ZX_LAYOUT_SIZE(zx_arm64_thread_state_fp_regs_t, 4);
  ZX_LAYOUT_SIZE(Regs, 520);
  ZX_LAYOUT_FIELD(Regs, fpcr, 0);
  ZX_LAYOUT_FIELD(Regs, fpsr, 4);
  ZX_LAYOUT_FIELD(Regs, v, 8);
  ZX_LAYOUT_FIELD(Regs, v[31].high, 512);
}

TEST(RegisterLayout, DebugRegistersOfArm64) {
  using Regs = zx_arm64_thread_state_debug_regs_t;
  static_assert(ZX_ARM64_MAX_HW_BREAKPOINTS == 16 && ZX_ARM64_MAX_HW_WATCHPOINTS == 16);
  ZX_LAYOUT_SIZE(Regs, 536);
  ZX_LAYOUT_FIELD(Regs, hw_bps[0].dbgbvr, 0);
  ZX_LAYOUT_FIELD(Regs, hw_bps[0].dbgbcr, 8);
  ZX_LAYOUT_FIELD(Regs, hw_bps[15].dbgbcr, 248);
  ZX_LAYOUT_FIELD(Regs, hw_wps[0].dbgwvr, 264);
  ZX_LAYOUT_FIELD(Regs, hw_wps[0].dbgwcr, 272);
  ZX_LAYOUT_FIELD(Regs, hw_wps[15].dbgwcr, 512);
  ZX_LAYOUT_FIELD(Regs, hw_bps_count, 256);
  ZX_LAYOUT_FIELD(Regs, hw_wps_count, 520);
  ZX_LAYOUT_FIELD(Regs, esr, 524);
  ZX_LAYOUT_FIELD(Regs, far, 528);
}

// ---- riscv64 ---------------------------------------------------------------------------------------------------------

TEST(RegisterLayout, GeneralOnesOfRiscv64) {
  using Regs = zx_riscv64_thread_state_general_regs_t;
  ZX_LAYOUT_SIZE(Regs, 256);
  ZX_LAYOUT_FIELD(Regs, pc, 0);
  ZX_LAYOUT_FIELD(Regs, ra, 8);
  ZX_LAYOUT_FIELD(Regs, sp, 16);
  ZX_LAYOUT_FIELD(Regs, gp, 24);
  ZX_LAYOUT_FIELD(Regs, tp, 32);
  ZX_LAYOUT_FIELD(Regs, t0, 40);
  ZX_LAYOUT_FIELD(Regs, t1, 48);
  ZX_LAYOUT_FIELD(Regs, t2, 56);
  ZX_LAYOUT_FIELD(Regs, s0, 64);
  ZX_LAYOUT_FIELD(Regs, s1, 72);
  ZX_LAYOUT_FIELD(Regs, a0, 80);
  ZX_LAYOUT_FIELD(Regs, a1, 88);
  ZX_LAYOUT_FIELD(Regs, a2, 96);
  ZX_LAYOUT_FIELD(Regs, a3, 104);
  ZX_LAYOUT_FIELD(Regs, a4, 112);
  ZX_LAYOUT_FIELD(Regs, a5, 120);
  ZX_LAYOUT_FIELD(Regs, a6, 128);
  ZX_LAYOUT_FIELD(Regs, a7, 136);
  ZX_LAYOUT_FIELD(Regs, s2, 144);
  ZX_LAYOUT_FIELD(Regs, s3, 152);
  ZX_LAYOUT_FIELD(Regs, s4, 160);
  ZX_LAYOUT_FIELD(Regs, s5, 168);
  ZX_LAYOUT_FIELD(Regs, s6, 176);
  ZX_LAYOUT_FIELD(Regs, s7, 184);
  ZX_LAYOUT_FIELD(Regs, s8, 192);
  ZX_LAYOUT_FIELD(Regs, s9, 200);
  ZX_LAYOUT_FIELD(Regs, s10, 208);
  ZX_LAYOUT_FIELD(Regs, s11, 216);
  ZX_LAYOUT_FIELD(Regs, t3, 224);
  ZX_LAYOUT_FIELD(Regs, t4, 232);
  ZX_LAYOUT_FIELD(Regs, t5, 240);
  ZX_LAYOUT_FIELD(Regs, t6, 248);
}

TEST(RegisterLayout, FloatingPointOfRiscv64) {
  using Regs = zx_riscv64_thread_state_fp_regs_t;
  ZX_LAYOUT_SIZE(Regs, 528);
  ZX_LAYOUT_FIELD(Regs, q, 0);
  ZX_LAYOUT_FIELD(Regs, q[31], 496);
  ZX_LAYOUT_FIELD(Regs, fcsr, 512);
}

TEST(RegisterLayout, VectorsOfRiscv64) {
  using Regs = zx_riscv64_thread_state_vector_regs_t;
  ZX_LAYOUT_SIZE(Regs, 544);
  ZX_LAYOUT_FIELD(Regs, v, 0);
  ZX_LAYOUT_FIELD(Regs, v[31], 496);
  ZX_LAYOUT_FIELD(Regs, vcsr, 512);
  ZX_LAYOUT_FIELD(Regs, vstart, 520);
  ZX_LAYOUT_FIELD(Regs, vl, 528);
  ZX_LAYOUT_FIELD(Regs, vtype, 536);
}

}  // namespace
}  // namespace zxctl
