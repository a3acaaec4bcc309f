// The messages between the tracer and its clients. Fixed layouts, native byte order (both ends are on one machine); a
// message whose size is not that of its type is refused.
#pragma once

#include <cstdint>

#include "arch/arch.h"
#include "exceptions/exception.h"

namespace zxctl::ring {

enum class MessageType : uint32_t {
  // front end → tracer, then tracer → front end
  kLaunch = 1,    // LaunchRequest
  kLaunched = 2,  // LaunchReply
  kHello = 3,     // HelloRecord: the tracer's first message
  // tracer → crash reporter, then crash reporter → tracer
  kCrash = 16,       // CrashRecord: the first message
  kThread = 17,      // ThreadRecord: one for each thread of the process, the faulting one first
  kText = 18,        // a TextKind as u32 and bytes: paths and names of any length
  kEndOfCrash = 19,  // no payload
  kAnswer = 20,      // AnswerRecord
  // tracer → crash reporter, after the threads, if the launch asked for them
  kRegisterSet = 21,  // RegisterSetHead and the set's bytes
};

// ---- launching ----------------------------------------------------------------------------------------------------

struct HelloRecord {
  int32_t tracer_pid = 0;
};

struct LaunchRequest {
  int32_t root_pid = 0;  // the process that will become the program
  uint8_t follow_processes = 1;
  uint8_t kill_on_tracer_death = 0;
  uint8_t timeout_kills = 0;
  uint8_t wants_register_sets = 0;  // crash reporters get all of each thread's registers, not only the general ones
  int64_t timeout_ns = 0;           // 0: none
  int64_t report_budget_ns = 0;
  uint64_t stderr_dev = 0;  // which file the front end's standard error is
  uint64_t stderr_ino = 0;
};

struct LaunchReply {
  int32_t zx = 0;
  int32_t sys_errno = 0;
};

// ---- crash reports ------------------------------------------------------------------------------------------------

enum class CrashReason : uint32_t {
  kException = 0,    // a fatal exception; the thread is stopped at its signal
  kForcedDeath = 1,  // the kernel kills the process without offering the signal (seccomp); stopped at its exit
  kHang = 2,         // the time given by --timeout is over; the process is alive
  kGone = 3,         // the process is dead already: there are no registers and no memory
};

// The head of a crash. Registers and memory stay as they are until the answer is sent or the deadline passes.
struct CrashRecord {
  int32_t pid = 0;
  int32_t tid = 0;  // the faulting thread; for kHang the leader
  CrashReason reason = CrashReason::kException;
  ExceptionType type = ExceptionType::kGeneral;
  SignalRecord signal = {};  // what is about to kill the process
  // The thread's last first-chance fault; signo 0: none. The exception is about this one if set.
  SignalRecord first = {};
  arch::Registers first_registers{};  // at that fault; meaningful if first.signo is not 0
  int64_t deadline_ns = 0;            // CLOCK_MONOTONIC: the report must be out by then
  uint64_t thread_count = 0;          // ThreadRecords that follow
  uint64_t threads_missing = 0;       // threads that could not be stopped in time
  int32_t wait_status = 0;            // kGone: the waitpid status
  int32_t kill_follows = 0;           // kHang: the process is killed afterwards
};

struct ThreadRecord {
  int32_t tid = 0;
  int32_t has_registers = 0;  // 0 when the thread could not be stopped
  arch::Registers registers{};
  SignalRecord signal = {};  // another thread's own exception, which came while the first was dealt with; signo 0: none
};

// A further register set of a thread, as PTRACE_GETREGSET names it (NT_PRFPREG, …).
struct RegisterSetHead {
  int32_t tid = 0;
  uint32_t note_type = 0;
};

enum class TextKind : uint32_t {
  kProgram = 1,  // the command line as it was launched, words separated by NUL
};

struct AnswerRecord {
  int32_t tid = 0;
  uint32_t try_next = 1;
};

}  // namespace zxctl::ring
