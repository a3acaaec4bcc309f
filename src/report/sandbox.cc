#include "report/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <span>
#include <type_traits>

namespace zxctl::report {
namespace {

// Sanitizers reserve terabytes of addresses, and need calls of their own at exit.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// What libelf, libdw, libunwind, the allocator and the C library need. Everything else fails with EPERM.
constexpr std::array kAllowed = {SCMP_SYS(read),         SCMP_SYS(pread64),        SCMP_SYS(readv),
                                 SCMP_SYS(preadv),       SCMP_SYS(write),          SCMP_SYS(close),
                                 SCMP_SYS(fstat),        SCMP_SYS(stat),           SCMP_SYS(lstat),
                                 SCMP_SYS(newfstatat),   SCMP_SYS(statx),          SCMP_SYS(lseek),
                                 SCMP_SYS(munmap),       SCMP_SYS(mremap),         SCMP_SYS(madvise),
                                 SCMP_SYS(brk),          SCMP_SYS(readlink),       SCMP_SYS(readlinkat),
                                 SCMP_SYS(access),       SCMP_SYS(faccessat),      SCMP_SYS(faccessat2),
                                 SCMP_SYS(getdents64),   SCMP_SYS(getcwd),         SCMP_SYS(fadvise64),
                                 SCMP_SYS(futex),        SCMP_SYS(exit),           SCMP_SYS(exit_group),
                                 SCMP_SYS(getrandom),    SCMP_SYS(getpid),         SCMP_SYS(gettid),
                                 SCMP_SYS(getuid),       SCMP_SYS(geteuid),        SCMP_SYS(getgid),
                                 SCMP_SYS(getegid),      SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
                                 SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
                                 SCMP_SYS(sigaltstack),  SCMP_SYS(sched_yield),    SCMP_SYS(restart_syscall),
                                 SCMP_SYS(sysinfo),      SCMP_SYS(getrusage)};

// UndefinedBehaviorSanitizer asks a pipe whether memory can be read.
constexpr std::array kAllowedToSanitizers = {SCMP_SYS(pipe), SCMP_SYS(pipe2)};

struct FilterDeleter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, FilterDeleter>;

tl::unexpected<Status> FilterFailed(int negative_errno) {
  return Fail(Status::FromErrno("cannot set up the seccomp filter of the report's worker", -negative_errno));
}

int AllowAll(scmp_filter_ctx filter, std::span<const int> calls) {
  for (const int call : calls) {
    if (const int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, nullptr)) return error;
  }
  return 0;
}

// Opening is for reading, mapping is not for running, fcntl is for looking.
int AllowNarrowed(scmp_filter_ctx filter) {
  constexpr unsigned kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  const auto reading = [](unsigned argument) { return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, kWriting, O_RDONLY}; };
  const scmp_arg_cmp open_mode = reading(1), openat_mode = reading(2);
  const scmp_arg_cmp not_executable{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  if (const int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, &open_mode)) return error;
  if (const int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, &openat_mode)) return error;
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    if (const int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &not_executable)) return error;
  }
  // abort() signals its own process.
  const scmp_arg_cmp own_process{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid()), 0};
  if (const int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own_process)) return error;
  for (const scmp_datum_t command : {F_GETFD, F_GETFL, F_SETFD, F_DUPFD_CLOEXEC}) {
    const scmp_arg_cmp is_command{1, SCMP_CMP_EQ, command, 0};
    if (const int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, &is_command)) return error;
  }
  return 0;
}

Result<void> LoadFilter() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return FilterFailed(-ENOMEM);
  if (const int error = AllowAll(filter.get(), kAllowed)) return FilterFailed(error);
  if (kSanitized) {
    if (const int error = AllowAll(filter.get(), kAllowedToSanitizers)) return FilterFailed(error);
  }
  if (const int error = AllowNarrowed(filter.get())) return FilterFailed(error);
  if (const int error = seccomp_load(filter.get())) return FilterFailed(error);
  return {};
}

void SetLimit(__rlimit_resource resource, uint64_t value) {
  const rlimit limit{value, value};
  setrlimit(resource, &limit);
}

}  // namespace

Result<void> EnterSandbox(const SandboxLimits& limits) {
  // Not dumpable: no core either where the kernel's pattern is a pipe, which no limit stops.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  SetLimit(RLIMIT_CORE, 0);
  SetLimit(RLIMIT_CPU, limits.cpu_seconds);
  if (!kSanitized) SetLimit(RLIMIT_AS, limits.address_space_bytes);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return FailErrno("cannot give up new privileges");
  return LoadFilter();
}

}  // namespace zxctl::report
