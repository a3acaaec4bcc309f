// What a program that works with task handles and the tracer say to each other.
//
// Commands are numbered by the client; those that have an answer get one Reply with the same number. The tracer deals with
// commands in the order they were written. Koids are the tracer's, but for jobs: those are the client's own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arch/arch.h"
#include "supervisor/signal_record.h"

namespace zxctl::ring {

// client → tracer
enum class CommandType : uint32_t {
  kHello = 64,  // HelloCommand: the first
  // Command, and for some bytes
  kNewJob = 65,    // task: the job; other: its parent. No answer
  kEndJob,         // task: a job without processes that nobody refers to. No answer
  kSpawn,          // pid: a process that waits to execute a program; task: its job; options: kTakeUp…
  kAwaitExec,      // task: a process that waits to execute a program; the answer comes when it has
  kAttach,         // pid, task: the job, options: kTakeUpExactTimeouts or 0
  kDetach,         // task: a process
  kCreateThread,   // task: a process; the answer is the thread
  kStartThread,    // task: a thread; other: its process; and StartThread
  kStart,          // task: a parked process
  kEndNewborn,     // task: a process or thread that, unless it has been started, nobody can start any more. No answer
  kBind,           // task, other: the port, key, options: ZX_EXCEPTION_PORT_*, lease_ns
  kUnbind,         // task, options
  kEndPort,        // other: the port is closed. No answer
  kAnswer,         // task: the slot; other: its generation: the slot's word has been answered. No answer
  kAnswerFor,      // task: a thread; other: the port that was asked, or 0; options: Verdict
  kSuspend,        // task, options: SuspendKind. No answer
  kKill,           // task
  kUnwatch,        // task: nobody here refers to it any more; other: how often it was told of. No answer
  kFind,           // task: a process or job; other: its thread or process
  kList,           // task: a process or job; its threads or processes as koids
  kThreadInfo,     // task: ThreadInfo
  kProcessInfo,    // task: ProcessInfo
  kExceptionInfo,  // task: ExceptionRecord
  kReadState,  // task, options: a kind of registers that this machine knows, ZX_THREAD_STATE_*: its bytes; key: and then the
  // RegistersRecords of further suspended threads of the process, in as many messages, the answer being one of
  // them, the others kRegisters; other: is given back in those; at most kMaxFurther
  kWriteState,   // the same, and the bytes
  kReadMemory,   // task, other: the address, key: the size: what could be read
  kWriteMemory,  // task, other: the address, and the bytes: how many could be written as a u64
};

// tracer → client
enum class NoticeType : uint32_t {
  kReady = 128,  // ReadyNotice: the first
  kReply,        // Reply and bytes: what was asked for, or a sentence about what went wrong
  kTask,         // TaskRecord: a watched task has changed
  kJob,          // JobRecord
  kException,    // ExceptionNotice
  kRegisters,    // FurtherRegisters and RegistersRecords: behind an answer that is no error, as many as were asked for
};

struct HelloCommand {
  int32_t pid = 0;
  uint32_t reserved = 0;
  uint64_t root_job = 0;   // the client's number for the job that everything is in
  uint64_t next_koid = 0;  // tasks of tracers that it had before had all lower ones
};

struct ReadyNotice {
  int32_t tracer_pid = 0;
  uint32_t reserved = 0;
};

struct Command {
  uint64_t seq = 0;
  uint64_t task = 0;
  uint64_t other = 0;
  uint64_t key = 0;
  int64_t lease_ns = 0;
  uint32_t options = 0;
  int32_t pid = 0;
};

// kNotQueued: as kTryNext, because there was no room for the packet.
enum class Verdict : uint32_t { kResume = 0, kTryNext = 1, kNotQueued = 2 };

enum class SuspendKind : uint32_t { kAddToken = 0, kDropToken = 1, kSetFlag = 2, kClearFlag = 3 };

// How a process is taken up; bits.
inline constexpr uint32_t kTakeUpParked = 1;
inline constexpr uint32_t kTakeUpExactTimeouts = 2;

enum class TaskLife : uint32_t { kNew = 0, kAlive = 1, kDying = 2, kDead = 3, kDetached = 4 };

struct StartThread {
  arch::StartRegs regs;
  uint32_t must_be_first = 0;  // of its process
  uint32_t reserved = 0;
};

// A process or a thread as it is now.
struct TaskRecord {
  uint64_t koid = 0;
  uint64_t process = 0;  // for a process: itself
  uint64_t job = 0;
  // The last command of this client that was dealt with before this was written.
  uint64_t seq = 0;
  int64_t return_code = 0;  // dead processes
  int64_t start_ns = 0;     // processes
  int32_t pid = 0;
  int32_t tid = 0;
  TaskLife life = TaskLife::kAlive;
  int32_t wait_status = 0;  // dead processes
  uint32_t suspended = 0;   // threads
  uint32_t is_thread = 0;
};

struct JobRecord {
  uint64_t koid = 0;
  uint64_t processes = 0;
};

struct Reply {
  uint64_t seq = 0;
  int32_t zx = 0;
  int32_t sys_errno = 0;
  TaskRecord task;  // for calls that give a task
};

// The general registers of a thread.
struct RegistersRecord {
  uint64_t thread = 0;
  arch::GeneralRegs registers{};
};

struct FurtherRegisters {
  uint64_t other = 0;  // the command's
};

struct ThreadInfo {
  uint32_t state = 0;                     // ZX_THREAD_STATE_*
  uint32_t wait_exception_port_type = 0;  // ZX_EXCEPTION_PORT_TYPE_*
};

struct ProcessInfo {
  int64_t start_ns = 0;
  uint32_t started = 0;
  uint32_t debugged = 0;
};

// What is known of a thread's exception.
struct ExceptionRecord {
  uint32_t type = 0;    // ZX_EXCP_*
  SignalRecord signal;  // signo 0 for starts and exits
  SignalRecord first;   // the fault before, if the exception is about that one
  uint32_t reserved = 0;
};

struct ExceptionNotice {
  uint64_t slot = 0;
  uint64_t generation = 0;
  uint64_t port = 0;
  uint64_t key = 0;
  TaskRecord thread;
  uint32_t level = 0;
  uint32_t has_registers = 0;
  ExceptionRecord exception;
  arch::Registers registers{};
};

// ---- what both sides see ---------------------------------------------------------------------------------------------

// Who may still answer an exception. The side that moves the word out of kOffered has decided: a client that answers, or
// the tracer that takes the exception back. An answer is in the word, and counts from then on; the command that follows
// only says that it is there.
enum class SlotPhase : uint64_t { kNotOffered = 0, kOffered = 1, kResumed = 2, kPassedOn = 3 };
inline constexpr size_t kSlots = 4096;
[[nodiscard]] constexpr uint64_t SlotWord(uint64_t generation, SlotPhase phase) {
  return generation << 2 | static_cast<uint64_t>(phase);
}

// Where threads wait that will take the packets of one port, or of a few. Who writes an exception for the port rings here, so
// that the thread is woken that it is for.
struct Bell {
  std::atomic<uint32_t> rings;     // futex word
  std::atomic<uint32_t> sleepers;  // as in RingHeader; those who are counted there as well
};
inline constexpr size_t kBells = 64;

struct SharedState {
  // The tracer's thread id while it lives; the kernel sets FUTEX_OWNER_DIED and wakes a waiter when it ends.
  std::atomic<uint32_t> tracer_life;
  uint32_t reserved;
  // No task that the client was told of has this koid, or a higher one; it outlives the tracer.
  std::atomic<uint64_t> next_koid;
  uint32_t reserved_too[12];
  std::atomic<uint64_t> slots[kSlots];
  Bell bells[kBells];  // by the port's number

  [[nodiscard]] Bell& BellOf(uint64_t port) { return bells[port % kBells]; }
};

// Room for each direction of a client's channel.
inline constexpr size_t kClientRingBytes = size_t{1} << 18;
// The most bytes behind one Command or Reply.
inline constexpr size_t kMaxBytes = size_t{1} << 14;
// How many messages of registers one command may ask for: half of a ring.
inline constexpr uint64_t kMaxFurther = kClientRingBytes / kMaxBytes / 2;

}  // namespace zxctl::ring
