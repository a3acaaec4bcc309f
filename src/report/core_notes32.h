// The notes of a 32-bit process's core, laid out as a 32-bit kernel's elf_prstatus, elf_prpsinfo and siginfo_t. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "arch/arch.h"
#include "report/core_notes.h"

namespace zxctl::report {

struct Time32 {
  int32_t seconds = 0;
  int32_t microseconds = 0;
};

struct Status32 {
  int32_t si_signo = 0;
  int32_t si_code = 0;
  int32_t si_errno = 0;
  int16_t cursig = 0;
  int16_t padding = 0;
  uint32_t sigpend = 0;
  uint32_t sighold = 0;
  int32_t pid = 0;
  int32_t ppid = 0;
  int32_t pgrp = 0;
  int32_t sid = 0;
  std::array<Time32, 4> times = {};  // user, system, and the children's
  std::array<uint32_t, arch::kRegisterCount32> registers = {};
  int32_t fpvalid = 0;
};
static_assert(sizeof(Status32) == 76 + 4 * arch::kRegisterCount32);

struct ProcessInfo32 {
  char state = 0;
  char sname = 0;
  char zomb = 0;
  char nice = 0;
  uint32_t flag = 0;
  uint16_t uid = 0;
  uint16_t gid = 0;
  int32_t pid = 0;
  int32_t ppid = 0;
  int32_t pgrp = 0;
  int32_t sid = 0;
  char fname[16] = {};
  char psargs[80] = {};
};
static_assert(sizeof(ProcessInfo32) == 124);

// The three words after the head are the sender's pid and uid, a fault's address, or SIGSYS's address, call and arch.
struct Signal32 {
  int32_t signo = 0;
  int32_t error = 0;
  int32_t code = 0;
  std::array<uint32_t, 3> fields = {};
  std::array<uint32_t, 26> rest = {};
};
static_assert(sizeof(Signal32) == 128);

[[nodiscard]] Status32 MakeStatus32(const CoreRequest& request, const CoreProcess& process,
                                    const ring::ThreadRecord& thread, bool has_floating_point);
[[nodiscard]] Signal32 MakeSignal32(const SignalRecord& signal);

}  // namespace zxctl::report
