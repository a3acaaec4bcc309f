#include <asm/unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// Where a call on the list keeps its time. `argument` counts from 0.
struct Entry {
  uint32_t number;
  TimeoutKind timeout;
  uint8_t argument;
  int16_t timeout_result;
};

// 64-bit calls that Linux fails with EINTR, not with a restart, when their task is woken by a signal that runs no
// handler. None has an effect before it returns EINTR.
constexpr std::array<Entry, 22> kList64 = {{
    {__NR_read, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_readv, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_recvfrom, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_recvmsg, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_accept, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_accept4, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_write, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {__NR_writev, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {__NR_sendto, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {__NR_sendmsg, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {__NR_connect, TimeoutKind::kSocketConnect, 0, -EINPROGRESS},
    {__NR_recvmmsg, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {__NR_sendmmsg, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {__NR_epoll_wait, TimeoutKind::kMilliseconds, 3, 0},
    {__NR_epoll_pwait, TimeoutKind::kMilliseconds, 3, 0},
    {__NR_epoll_pwait2, TimeoutKind::kTimespec, 3, 0},
    {__NR_rt_sigtimedwait, TimeoutKind::kTimespec, 2, -EAGAIN},
    {__NR_semop, TimeoutKind::kNone, 0, 0},
    {__NR_semtimedop, TimeoutKind::kTimespec, 3, -EAGAIN},
    {__NR_io_getevents, TimeoutKind::kTimespec, 4, 0},
    {__NR_io_pgetevents, TimeoutKind::kTimespec, 4, 0},
    {__NR_io_uring_enter, TimeoutKind::kUringTimespec, 4, -ETIME},
}};

// The same for the 32-bit entry; its numbers are part of the i386 interface.
constexpr std::array<Entry, 22> kList32 = {{
    {3, TimeoutKind::kSocketReceive, 0, -EAGAIN},         // read
    {4, TimeoutKind::kSocketSend, 0, -EAGAIN},            // write
    {145, TimeoutKind::kSocketReceive, 0, -EAGAIN},       // readv
    {146, TimeoutKind::kSocketSend, 0, -EAGAIN},          // writev
    {177, TimeoutKind::kTimespec32, 2, -EAGAIN},          // rt_sigtimedwait
    {247, TimeoutKind::kTimespec32, 4, 0},                // io_getevents
    {256, TimeoutKind::kMilliseconds, 3, 0},              // epoll_wait
    {319, TimeoutKind::kMilliseconds, 3, 0},              // epoll_pwait
    {337, TimeoutKind::kSocketReceive, 0, -EAGAIN},       // recvmmsg
    {345, TimeoutKind::kSocketSend, 0, -EAGAIN},          // sendmmsg
    {362, TimeoutKind::kSocketConnect, 0, -EINPROGRESS},  // connect
    {364, TimeoutKind::kSocketReceive, 0, -EAGAIN},       // accept4
    {369, TimeoutKind::kSocketSend, 0, -EAGAIN},          // sendto
    {370, TimeoutKind::kSocketSend, 0, -EAGAIN},          // sendmsg
    {371, TimeoutKind::kSocketReceive, 0, -EAGAIN},       // recvfrom
    {372, TimeoutKind::kSocketReceive, 0, -EAGAIN},       // recvmsg
    {385, TimeoutKind::kTimespec32, 4, 0},                // io_pgetevents
    {416, TimeoutKind::kTimespec, 4, 0},                  // io_pgetevents_time64
    {420, TimeoutKind::kTimespec, 3, -EAGAIN},            // semtimedop_time64
    {421, TimeoutKind::kTimespec, 2, -EAGAIN},            // rt_sigtimedwait_time64
    {426, TimeoutKind::kUringTimespec, 4, -ETIME},        // io_uring_enter
    {441, TimeoutKind::kTimespec, 3, 0},                  // epoll_pwait2
}};

// socketcall and ipc bundle calls: argument 0 says which. socketcall's arguments stand in memory, the descriptor first.
constexpr uint32_t kSocketcall = 102;
constexpr uint32_t kIpc = 117;
constexpr std::array<Entry, 9> kSocketcalls = {{
    {3, TimeoutKind::kSocketConnect, 1, -EINPROGRESS},  // connect
    {5, TimeoutKind::kSocketReceive, 1, -EAGAIN},       // accept
    {9, TimeoutKind::kSocketSend, 1, -EAGAIN},          // send
    {10, TimeoutKind::kSocketReceive, 1, -EAGAIN},      // recv
    {11, TimeoutKind::kSocketSend, 1, -EAGAIN},         // sendto
    {12, TimeoutKind::kSocketReceive, 1, -EAGAIN},      // recvfrom
    {16, TimeoutKind::kSocketSend, 1, -EAGAIN},         // sendmsg
    {17, TimeoutKind::kSocketReceive, 1, -EAGAIN},      // recvmsg
    {18, TimeoutKind::kSocketReceive, 1, -EAGAIN},      // accept4
}};
constexpr std::array<Entry, 2> kIpcCalls = {{
    {1, TimeoutKind::kNone, 0, 0},              // semop
    {4, TimeoutKind::kTimespec32, 5, -EAGAIN},  // semtimedop
}};

std::array<uint64_t, 6> Arguments(const Registers& r, bool compat) {
  if (compat) {
    const auto low = [](uint64_t value) { return value & 0xffffffffU; };
    return {low(r.rbx), low(r.rcx), low(r.rdx), low(r.rsi), low(r.rdi), low(r.rbp)};
  }
  return {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
}

// select, pselect6 and ppoll.
struct TimeLeftEntry {
  uint32_t number;
  uint8_t argument;
  TimeLeft time;
};
constexpr TimeLeft kTimespec64 = {.bytes = 8, .unit_ns = 1};
constexpr TimeLeft kTimespec32 = {.bytes = 4, .unit_ns = 1};
constexpr std::array<TimeLeftEntry, 3> kTimeLeft64 = {{
    {__NR_select, 4, {.bytes = 8, .unit_ns = 1000}},
    {__NR_pselect6, 4, kTimespec64},
    {__NR_ppoll, 2, kTimespec64},
}};
constexpr std::array<TimeLeftEntry, 5> kTimeLeft32 = {{
    {142, 4, {.bytes = 4, .unit_ns = 1000}},  // _newselect
    {308, 4, kTimespec32},                    // pselect6
    {309, 2, kTimespec32},                    // ppoll
    {413, 4, kTimespec64},                    // pselect6_time64
    {414, 2, kTimespec64},                    // ppoll_time64
}};

template <typename T, size_t N>
const T* Find(const std::array<T, N>& list, uint64_t number) {
  const auto* found = std::find_if(list.begin(), list.end(), [number](const T& e) { return e.number == number; });
  return found == list.end() ? nullptr : found;
}

const Entry* FindEntry(uint64_t number, const std::array<uint64_t, 6>& arguments, bool compat) {
  if (!compat) return Find(kList64, number);
  // The high half of ipc's selector is a version.
  if (number == kSocketcall) return Find(kSocketcalls, arguments[0]);
  if (number == kIpc) return Find(kIpcCalls, arguments[0] & 0xffffU);
  return Find(kList32, number);
}

}  // namespace

int64_t SystemCallNumber(const Registers& registers) { return static_cast<int64_t>(registers.orig_rax); }

CallArguments SystemCallArguments(const Registers& registers) {
  return Arguments(registers, CodeBits(registers) == Bits::k32);
}

bool EndedWithEintr(const Registers& registers) {
  return static_cast<int64_t>(registers.orig_rax) >= 0 && static_cast<int32_t>(registers.rax) == -EINTR;
}

std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat) {
  if (!EndedWithEintr(registers)) return std::nullopt;
  const auto arguments = Arguments(registers, compat);
  const Entry* entry = FindEntry(registers.orig_rax, arguments, compat);
  if (entry == nullptr) return std::nullopt;
  const bool bundled = compat && registers.orig_rax == kSocketcall;
  RestartableCall call{.timeout = entry->timeout,
                       .timeout_argument = arguments[entry->argument],
                       .fd = arguments[bundled ? 1 : 0],
                       .fd_in_memory = bundled,
                       .timeout_result = entry->timeout_result};
  if (call.timeout == TimeoutKind::kUringTimespec && !HasRelativeUringTimeout(arguments[3])) {
    call.timeout = TimeoutKind::kNone;
  }
  return call;
}

std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat) {
  const bool runs_again = static_cast<int64_t>(registers.orig_rax) >= 0 &&
                          static_cast<int32_t>(registers.rax) == static_cast<int32_t>(kRestartNoHand);
  if (!runs_again) return std::nullopt;
  const auto* entry = compat ? Find(kTimeLeft32, registers.orig_rax) : Find(kTimeLeft64, registers.orig_rax);
  if (entry == nullptr) return std::nullopt;
  TimeLeft time = entry->time;
  time.address = Arguments(registers, compat)[entry->argument];
  return time.address == 0 ? std::nullopt : std::optional(time);
}

bool MakesThread(int64_t number) {
  constexpr int64_t kClone32 = 120;
  return number == __NR_clone || number == __NR_clone3 || number == kClone32;
}

void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments) {
  registers.rip = address;
  registers.rax = static_cast<uint64_t>(number);
  registers.orig_rax = ~0ULL;
  registers.rdi = arguments[0];
  registers.rsi = arguments[1];
  registers.rdx = arguments[2];
  registers.r10 = arguments[3];
  registers.r8 = arguments[4];
  registers.r9 = arguments[5];
}

int64_t SystemCallResult(const Registers& registers) { return static_cast<int64_t>(registers.rax); }

void SetRestart(Registers& registers) { registers.rax = static_cast<uint64_t>(kRestartNoHand); }

int32_t MadeTask(const Registers& registers) {
  const auto result = static_cast<int64_t>(registers.rax);
  if (SystemCallNumber(registers) < 0 || result <= 0 || result > INT32_MAX) return 0;
  return static_cast<int32_t>(result);
}

void SetResult(Registers& registers, int64_t result) {
  registers.rax = static_cast<uint64_t>(result);
  registers.orig_rax = static_cast<uint64_t>(-1);
}

}  // namespace zxctl::arch
