#include "generic/calls.h"

#include <algorithm>
#include <cerrno>

namespace zxctl::arch::generic {
namespace {

// The numbers are part of the kernel's interface, and written out here so that they are the same on every build machine.
enum Number : uint16_t {
  kIoGetevents = 4,
  kEpollPwait = 22,
  kFcntl = 25,
  kIoctl = 29,
  kFlock = 32,
  kOpenat = 56,
  kRead = 63,
  kWrite = 64,
  kReadv = 65,
  kWritev = 66,
  kPread64 = 67,
  kPwrite64 = 68,
  kPreadv = 69,
  kPwritev = 70,
  kSendfile = 71,
  kPselect6 = 72,
  kPpoll = 73,
  kVmsplice = 75,
  kSplice = 76,
  kTee = 77,
  kWaitid = 95,
  kFutex = 98,
  kNanosleep = 101,
  kClockNanosleep = 115,
  kRtSigsuspend = 133,
  kRtSigtimedwait = 137,
  kMqTimedsend = 182,
  kMqTimedreceive = 183,
  kMsgrcv = 188,
  kMsgsnd = 189,
  kSemtimedop = 192,
  kSemop = 193,
  kAccept = 202,
  kConnect = 203,
  kSendto = 206,
  kRecvfrom = 207,
  kSendmsg = 211,
  kRecvmsg = 212,
  kClone = 220,
  kAccept4 = 242,
  kRecvmmsg = 243,
  kWait4 = 260,
  kSendmmsg = 269,
  kGetrandom = 278,
  kPreadv2 = 286,
  kPwritev2 = 287,
  kIoPgetevents = 292,
  kIoUringEnter = 426,
  kClone3 = 435,
  kOpenat2 = 437,
  kEpollPwait2 = 441,
  kFutexWaitv = 449,
  kFutexWait = 455,
};

// The kernel's own, linux/errno.h.
constexpr int64_t kRestartSys = -512;     // a handler ends it unless it was installed with SA_RESTART
constexpr int64_t kRestartNoIntr = -513;  // nothing ends it
constexpr int64_t kRestartNoHand = -514;  // a handler ends it
constexpr int64_t kRestartBlock = -516;   // the same, and otherwise it becomes restart_syscall

constexpr std::array<uint16_t, 7> kEndedByHandlers = {kPselect6,     kPpoll,  kNanosleep, kClockNanosleep,
                                                      kRtSigsuspend, kMsgrcv, kMsgsnd};
constexpr std::array<uint16_t, 35> kEndedByOtherHandlers = {
    kFcntl,          kIoctl,    kFlock,     kOpenat,   kRead,     kWrite,   kReadv,      kWritev,   kPread64,
    kPwrite64,       kPreadv,   kPwritev,   kSendfile, kVmsplice, kSplice,  kTee,        kWaitid,   kMqTimedsend,
    kMqTimedreceive, kAccept,   kConnect,   kSendto,   kRecvfrom, kSendmsg, kRecvmsg,    kAccept4,  kRecvmmsg,
    kWait4,          kSendmmsg, kGetrandom, kPreadv2,  kPwritev2, kOpenat2, kFutexWaitv, kFutexWait};

// Of a futex only waits of the first kinds; the others, for locks with priority inheritance, are ended by nothing.
constexpr uint64_t kFutexCommand = 0x7f;
constexpr uint64_t kFutexWaitCommand = 0;
constexpr uint64_t kFutexWaitBitset = 9;

// Where a call on the list keeps its time. `argument` counts from 0.
struct Entry {
  uint16_t number;
  TimeoutKind timeout;
  uint8_t argument;
  int16_t timeout_result;
};

constexpr std::array<Entry, 21> kList = {{
    {kRead, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kReadv, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kRecvfrom, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kRecvmsg, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kAccept, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kAccept4, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kWrite, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {kWritev, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {kSendto, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {kSendmsg, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {kConnect, TimeoutKind::kSocketConnect, 0, -EINPROGRESS},
    {kRecvmmsg, TimeoutKind::kSocketReceive, 0, -EAGAIN},
    {kSendmmsg, TimeoutKind::kSocketSend, 0, -EAGAIN},
    {kEpollPwait, TimeoutKind::kMilliseconds, 3, 0},
    {kEpollPwait2, TimeoutKind::kTimespec, 3, 0},
    {kRtSigtimedwait, TimeoutKind::kTimespec, 2, -EAGAIN},
    {kSemop, TimeoutKind::kNone, 0, 0},
    {kSemtimedop, TimeoutKind::kTimespec, 3, -EAGAIN},
    {kIoGetevents, TimeoutKind::kTimespec, 4, 0},
    {kIoPgetevents, TimeoutKind::kTimespec, 4, 0},
    {kIoUringEnter, TimeoutKind::kUringTimespec, 4, -ETIME},
}};

}  // namespace

CallPlace FindCallPlace(std::span<const uint8_t> code, size_t before, const Instruction& call) {
  const auto stands_at = [&](size_t at) {
    return code.size() >= at + call.size() &&
           std::equal(call.begin(), call.end(), code.begin() + static_cast<ptrdiff_t>(at));
  };
  if (stands_at(before)) return CallPlace::kBefore;
  return before >= call.size() && stands_at(before - call.size()) ? CallPlace::kAfter : CallPlace::kNone;
}

std::optional<RestartableCall> FindRestartable(uint64_t number, const CallArguments& arguments) {
  const auto* entry = std::find_if(kList.begin(), kList.end(), [number](const Entry& e) { return e.number == number; });
  if (entry == kList.end()) return std::nullopt;
  RestartableCall call{.timeout = entry->timeout,
                       .timeout_argument = arguments[entry->argument],
                       .fd = arguments[0],
                       .timeout_result = entry->timeout_result};
  if (call.timeout == TimeoutKind::kUringTimespec && !HasRelativeUringTimeout(arguments[3])) {
    call.timeout = TimeoutKind::kNone;
  }
  return call;
}

std::optional<TimeLeft> FindTimeLeft(uint64_t number, const CallArguments& arguments) {
  if (number != kPselect6 && number != kPpoll) return std::nullopt;
  const uint64_t address = arguments[number == kPselect6 ? 4 : 2];
  return address == 0 ? std::nullopt : std::optional(TimeLeft{.address = address, .bytes = 8, .unit_ns = 1});
}

int64_t RestartCode(uint64_t number, uint64_t second_argument) {
  const auto is_in = [number](const auto& list) { return std::find(list.begin(), list.end(), number) != list.end(); };
  if (number == kRestartSyscall) return kRestartBlock;
  if (is_in(kEndedByHandlers)) return kRestartNoHand;
  const uint64_t command = second_argument & kFutexCommand;
  const bool waits = number == kFutex && (command == kFutexWaitCommand || command == kFutexWaitBitset);
  return waits || is_in(kEndedByOtherHandlers) ? kRestartSys : kRestartNoIntr;
}

bool MakesThread(int64_t number) { return number == kClone || number == kClone3; }

}  // namespace zxctl::arch::generic
