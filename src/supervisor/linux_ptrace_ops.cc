#include "supervisor/linux_ptrace_ops.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <string>

#include "base/clock.h"
#include "base/proc_file.h"
#include "supervisor/linux_registers.h"

namespace zxctl {
namespace {

OpResult Call(long request, pid_t tid, uintptr_t address, uintptr_t data) {
  if (syscall(SYS_ptrace, request, static_cast<long>(tid), address, data) >= 0) return {};
  return OpResult(errno);
}

// The same on all machines that have it; some headers leave it out.
constexpr long kSysemu = 31;

long RequestOf(ResumeMode mode) {
  switch (mode) {
    case ResumeMode::kContinue:
      return PTRACE_CONT;
    case ResumeMode::kUntilSyscall:
      return PTRACE_SYSCALL;
    case ResumeMode::kStep:
      return PTRACE_SINGLESTEP;
    case ResumeMode::kSkipSyscall:
      return kSysemu;
  }
  return PTRACE_CONT;
}

uintptr_t Pointer(void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

uint64_t ParseHex(std::optional<std::string_view> text) {
  uint64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value, 16);
  return value;
}

std::string StatusPath(pid_t tid) { return fmt::format("/proc/{}/status", tid); }
constexpr size_t kStatusBytes = 16384;
constexpr size_t kSyscallBytes = 256;

// How long PTRACE_SEIZE may wait for an exec in the other process.
constexpr itimerval kSeizeTime = {.it_interval = {.tv_sec = 0, .tv_usec = 5000},
                                  .it_value = {.tv_sec = 0, .tv_usec = 5000}};
sigjmp_buf g_after_seize;

void LeaveSeize(int /*signo*/) { siglongjmp(g_after_seize, 1); }

// The kernel makes the call wait for an exec, and starts it again after any signal. Only a handler that does not return
// gets out of it. The one thread of the tracer, with no object on its stack that would have to be destroyed.
int SeizeInTime(pid_t tid, uint64_t options) {
  struct sigaction leave {};
  struct sigaction before {};
  leave.sa_handler = LeaveSeize;
  const itimerval never{};
  sigset_t alarm;
  sigset_t mask;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigaction(SIGALRM, &leave, &before);
  pthread_sigmask(SIG_BLOCK, &alarm, &mask);
  volatile int error = EBUSY;
  if (sigsetjmp(g_after_seize, 1) == 0) {  // NOLINT(cert-err52-cpp): see above
    setitimer(ITIMER_REAL, &kSeizeTime, nullptr);
    pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
    error = syscall(SYS_ptrace, PTRACE_SEIZE, static_cast<long>(tid), 0, options) < 0 ? errno : 0;
    pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
  }
  setitimer(ITIMER_REAL, &never, nullptr);
  // One that is pending now is forgotten with this.
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGALRM, &ignore, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  return error;
}

// The kernel's PF_ flags of a task; nothing when it is gone.
std::optional<uint64_t> ReadTaskFlags(pid_t tid) {
  constexpr int kFlagsField = 9;
  const std::string stat = ReadFile(fmt::format("/proc/{}/stat", tid)).value_or("");
  const std::string_view from_flags = StatFieldsFrom(stat, kFlagsField);
  uint64_t flags = 0;
  const auto parsed = std::from_chars(from_flags.data(), from_flags.data() + from_flags.size(), flags);
  return parsed.ec == std::errc() ? std::optional(flags) : std::nullopt;
}

// An option of a socket of another process.
template <typename T>
bool GetSocketOption(pid_t tgid, int fd, int option, T& value) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, tgid, 0)));
  if (!process.valid()) return false;
  const UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  socklen_t size = sizeof(value);
  return copy.valid() && getsockopt(copy.get(), SOL_SOCKET, option, &value, &size) == 0;
}

}  // namespace

bool OpResult::gone() const { return error_ == ESRCH; }

OpResult LinuxPtraceOps::Seize(pid_t tid, uint64_t options) {
  const int error = SeizeInTime(tid, options);
  // The alarm may have come right after the call.
  if (error != EBUSY || ReadStatusNumber(tid, "TracerPid").value_or(0) != getpid()) return OpResult(error);
  return {};
}

OpResult LinuxPtraceOps::SetOptions(pid_t tid, uint64_t options) { return Call(PTRACE_SETOPTIONS, tid, 0, options); }
OpResult LinuxPtraceOps::Listen(pid_t tid) { return Call(PTRACE_LISTEN, tid, 0, 0); }
OpResult LinuxPtraceOps::Interrupt(pid_t tid) { return Call(PTRACE_INTERRUPT, tid, 0, 0); }

OpResult LinuxPtraceOps::Resume(pid_t tid, ResumeMode mode, int signo) {
  return Call(RequestOf(mode), tid, 0, static_cast<uintptr_t>(signo));
}

OpResult LinuxPtraceOps::Detach(pid_t tid, int signo) {
  return Call(PTRACE_DETACH, tid, 0, static_cast<uintptr_t>(signo));
}

OpResult LinuxPtraceOps::GetRegisters(pid_t tid, arch::Registers& out) { return OpResult(ReadRegisters(tid, out)); }

OpResult LinuxPtraceOps::SetRegisters(pid_t tid, const arch::Registers& registers) {
  return OpResult(WriteRegisters(tid, registers));
}

size_t LinuxPtraceOps::GetRegisterSet(pid_t tid, uint32_t note_type, std::span<std::byte> out) {
  if (note_type == arch::kUserWordSet) return ReadUserWords(tid, out);
  iovec piece{out.data(), out.size()};
  return Call(PTRACE_GETREGSET, tid, note_type, Pointer(&piece)).ok() ? piece.iov_len : 0;
}

OpResult LinuxPtraceOps::SetRegisterSet(pid_t tid, uint32_t note_type, std::span<const std::byte> in) {
  if (note_type == arch::kUserWordSet) return OpResult(WriteUserWords(tid, in));
  iovec piece{const_cast<std::byte*>(in.data()), in.size()};
  return Call(PTRACE_SETREGSET, tid, note_type, Pointer(&piece));
}

OpResult LinuxPtraceOps::GetSiginfo(pid_t tid, siginfo_t& out) {
  return Call(PTRACE_GETSIGINFO, tid, 0, Pointer(&out));
}

OpResult LinuxPtraceOps::BlockSignals(pid_t tid) { return SetSignalMask(tid, ~0ULL); }

OpResult LinuxPtraceOps::GetSignalMask(pid_t tid, uint64_t& out) {
  return Call(PTRACE_GETSIGMASK, tid, sizeof(out), Pointer(&out));
}

OpResult LinuxPtraceOps::SetSignalMask(pid_t tid, uint64_t mask) {
  return Call(PTRACE_SETSIGMASK, tid, sizeof(mask), Pointer(&mask));
}

OpResult LinuxPtraceOps::SetSiginfo(pid_t tid, const siginfo_t& info) {
  siginfo_t copy = info;
  return Call(PTRACE_SETSIGINFO, tid, 0, Pointer(&copy));
}

bool LinuxPtraceOps::SendSignal(pid_t tgid, pid_t tid, int signo) { return syscall(SYS_tgkill, tgid, tid, signo) == 0; }

uint64_t LinuxPtraceOps::FindRseq(pid_t tid) {
  // struct ptrace_rseq_configuration of linux/ptrace.h, which cannot be included beside sys/ptrace.h.
  struct {
    uint64_t area;
    uint32_t size, signature, flags, reserved;
  } found{};
  constexpr int kGetRseqConfiguration = 0x420f;
  return Call(kGetRseqConfiguration, tid, sizeof(found), Pointer(&found)).ok() ? found.area : 0;
}

OpResult LinuxPtraceOps::GetEventMessage(pid_t tid, uint64_t& out) {
  return Call(PTRACE_GETEVENTMSG, tid, 0, Pointer(&out));
}

OpResult LinuxPtraceOps::IsCompatCall(pid_t tid, bool& out) {
  __ptrace_syscall_info info{};
  const OpResult result = Call(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), Pointer(&info));
  out = info.arch == arch::kAuditArch32;
  return result;
}

OpResult LinuxPtraceOps::RecoverCall(pid_t tid, arch::Registers& registers) {
  return OpResult(FindFirstArgument(tid, registers));
}

WaitResult LinuxPtraceOps::Wait(pid_t tid) {
  int status = 0;
  const long got = syscall(SYS_wait4, static_cast<long>(tid), &status, __WALL | WNOHANG, nullptr);
  return {.tid = static_cast<pid_t>(got < 0 ? -1 : got), .status = status};
}

bool LinuxPtraceOps::IsTracee(pid_t tid) {
  siginfo_t info{};
  return syscall(SYS_waitid, P_PID, tid, &info, __WALL | WEXITED | WSTOPPED | WNOHANG | WNOWAIT, nullptr) == 0;
}

std::optional<TaskFacts> LinuxPtraceOps::ReadFacts(pid_t tid) { return ReadTaskFacts(tid); }

bool LinuxPtraceOps::MayMakeThread(pid_t tid) {
  // "running", or the number of the call that it waits in.
  const auto call = ReadFile(fmt::format("/proc/{}/syscall", tid), kSyscallBytes);
  if (!call) return true;
  int64_t number = 0;
  const auto parsed = std::from_chars(call->data(), call->data() + call->size(), number);
  return parsed.ec != std::errc() || arch::MakesThread(number);
}

std::vector<pid_t> LinuxPtraceOps::ListThreads(pid_t pid) { return ReadThreadIds(pid); }

bool LinuxPtraceOps::IsThreadOf(pid_t tgid, pid_t tid) {
  // Signal 0 is not sent. EPERM means that the thread is there and belongs to somebody else.
  return syscall(SYS_tgkill, tgid, tid, 0) == 0 || errno == EPERM;
}

bool LinuxPtraceOps::IsIoWorker(pid_t tid) {
  constexpr uint64_t kIoWorker = 0x10;  // PF_IO_WORKER
  return (ReadTaskFlags(tid).value_or(0) & kIoWorker) != 0;
}

bool LinuxPtraceOps::IsExiting(pid_t tid) {
  constexpr uint64_t kExiting = 0x4;  // PF_EXITING
  return (ReadTaskFlags(tid).value_or(kExiting) & kExiting) != 0;
}

bool LinuxPtraceOps::AwaitEndOfExiting(pid_t pid) {
  // The first that it does; its memory, its files and its tracees go later.
  if (!IsExiting(pid)) return false;
  const UniqueFd end(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!end.valid()) return errno == ESRCH;
  constexpr int kPatienceMs = 1000;
  pollfd entry{.fd = end.get(), .events = POLLIN, .revents = 0};
  return poll(&entry, 1, kPatienceMs) == 1;
}

size_t LinuxPtraceOps::ReadStat(pid_t tgid, pid_t tid, UniqueFd& fd, char* buffer, size_t size) {
  if (!fd.valid()) {
    fd.Reset(open(fmt::format("/proc/{}/task/{}/stat", tgid, tid).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return 0;
  }
  const ssize_t got = pread(fd.get(), buffer, size, 0);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

bool LinuxPtraceOps::ReadSignalMasks(pid_t tid, uint64_t& ignored, uint64_t& caught) {
  const auto status = ReadFile(StatusPath(tid), kStatusBytes);
  if (!status) return false;
  ignored = ParseHex(StatusField(*status, "SigIgn"));
  caught = ParseHex(StatusField(*status, "SigCgt"));
  return true;
}

uint64_t LinuxPtraceOps::ReadPendingSignals(pid_t tid) {
  const auto status = ReadFile(StatusPath(tid), kStatusBytes);
  if (!status) return 0;
  return ParseHex(StatusField(*status, "SigPnd")) | ParseHex(StatusField(*status, "ShdPnd"));
}

int LinuxPtraceOps::ReadSeccompMode(pid_t tid) {
  return static_cast<int>(ReadStatusNumber(tid, "Seccomp").value_or(0));
}

size_t LinuxPtraceOps::ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) {
  const iovec local{.iov_base = out, .iov_len = size};
  const iovec remote{.iov_base = reinterpret_cast<void*>(address), .iov_len = size};
  const ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

size_t LinuxPtraceOps::WriteMemory(pid_t tid, uint64_t address, const void* in, size_t size) {
  const UniqueFd memory(open(fmt::format("/proc/{}/mem", tid).c_str(), O_WRONLY | O_CLOEXEC));
  const ssize_t wrote = pwrite(memory.get(), in, size, static_cast<off_t>(address));
  return wrote < 0 ? 0 : static_cast<size_t>(wrote);
}

std::pair<uint64_t, uint64_t> LinuxPtraceOps::FindVdso(pid_t tid) {
  std::ifstream maps(fmt::format("/proc/{}/maps", tid));
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with("[vdso]")) continue;
    const std::string_view range(line);
    const size_t dash = range.find('-');
    return {ParseHex(range.substr(0, dash)), ParseHex(range.substr(dash + 1))};
  }
  return {};
}

int64_t LinuxPtraceOps::SocketTimeoutNs(pid_t tgid, int fd, bool receive) {
  timeval timeout{};
  if (!GetSocketOption(tgid, fd, receive ? SO_RCVTIMEO : SO_SNDTIMEO, timeout)) return 0;
  return timeout.tv_sec * kNsPerSec + timeout.tv_usec * kNsPerUs;
}

bool LinuxPtraceOps::IsLocalSocket(pid_t tgid, int fd) {
  int domain = 0;
  return GetSocketOption(tgid, fd, SO_DOMAIN, domain) && domain == AF_UNIX;
}

bool LinuxPtraceOps::LostPrivileges(pid_t tgid) {
  struct stat file {};
  if (stat(fmt::format("/proc/{}/exe", tgid).c_str(), &file) != 0) return false;
  if ((file.st_mode & (S_ISUID | S_ISGID)) == 0) return false;
  const auto status = ReadFile(StatusPath(tgid), kStatusBytes);
  if (!status) return false;
  const auto effective = [&status](std::string_view field) {
    // "real effective saved filesystem"
    const auto text = StatusField(*status, field).value_or("");
    uint64_t value = 0;
    const size_t tab = text.find('\t');
    if (tab != std::string_view::npos) std::from_chars(text.data() + tab + 1, text.data() + text.size(), value);
    return value;
  };
  if ((file.st_mode & S_ISUID) != 0 && effective("Uid") != file.st_uid) return true;
  return (file.st_mode & S_ISGID) != 0 && effective("Gid") != file.st_gid;
}

void LinuxPtraceOps::Kill(pid_t tgid) { kill(tgid, SIGKILL); }

}  // namespace zxctl
