// What Linux adds to Zircon's calls.
#ifndef ZXTASK_LINUX_H_
#define ZXTASK_LINUX_H_

#include <zircon/syscalls/hypervisor.h>
#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// A sentence for people about this thread's last failed call: which call and argument, and what would mend it. Empty if
// none has failed. Valid until the next call of this thread.
const char* zxl_last_error(void);

// A descriptor that is readable (poll, epoll) while the port has a packet. The port owns it: do not read, write or close
// it. It is closed with the last handle of the port, and readable just before, so that nobody sleeps on. Needs READ.
zx_status_t zxl_port_get_fd(zx_handle_t port, int* out_fd);

// ---- processes ----

typedef struct zxl_spawn_args {
  const char* path;         // looked up in PATH when it holds no '/'
  const char* const* argv;  // null-terminated
  const char* const* envp;  // null: the caller's
  const char* cwd;          // null: the caller's
  int stdio[3];             // negative: the caller's own
  uint32_t options;         // ZXL_SPAWN_*
} zxl_spawn_args_t;

#define ZXL_SPAWN_START ((uint32_t)1u)     // do not park at the program's first instruction
#define ZXL_SPAWN_NEW_PGRP ((uint32_t)2u)  // a process group of its own
// A call with a timeout that a suspend has interrupted ends when it would have without, as far as the scheduler tells; otherwise
// it may end late by what it had waited before its first suspend. Costs the suspend of a sleeping thread some 100 us. Children inherit it.
#define ZXL_SPAWN_EXACT_TIMEOUTS ((uint32_t)4u)
#define ZXL_ATTACH_EXACT_TIMEOUTS ((uint32_t)4u)

// A program under supervision, in a process that is not this one's child; parked at its first instruction unless
// ZXL_SPAWN_START; one that is never started ends with its last handle. `out_thread` is optional. Needs MANAGE_PROCESS on the
// job. NOT_FOUND, ACCESS_DENIED (not executable, or ptrace is refused), IO, BAD_STATE (the job was killed), NOT_SUPPORTED
// (exact timeouts, and the kernel does not say since when threads sleep).
zx_status_t zxl_process_spawn(zx_handle_t job, const zxl_spawn_args_t* args, zx_handle_t* out_process,
                              zx_handle_t* out_thread);
// Lets a parked process run from where exec left it. Needs MANAGE_PROCESS. BAD_STATE if it has been started.
zx_status_t zxl_process_start(zx_handle_t process);
// Takes up a running process with all its threads, which notices nothing; it may be the caller's own. `options`: 0 or
// ZXL_ATTACH_EXACT_TIMEOUTS. Needs MANAGE_PROCESS on the job. NOT_FOUND, ACCESS_DENIED, ALREADY_BOUND (traced already),
// BAD_STATE (a kernel thread, a zombie), NOT_SUPPORTED as above.
zx_status_t zxl_process_attach(zx_handle_t job, int32_t pid, uint32_t options, zx_handle_t* out_process);
// Lets a process go, as if it had never been supervised. Its handles stay valid, tell of its death, and refuse everything
// else with BAD_STATE. Needs MANAGE_PROCESS.
zx_status_t zxl_process_detach(zx_handle_t process);
// The Linux id of a process, or of a thread. Needs INSPECT.
zx_status_t zxl_task_get_pid(zx_handle_t task, int32_t* out_pid);
// What waitpid gives of a process; BAD_STATE while it lives, and when it was let go before its end. Needs INSPECT.
zx_status_t zxl_process_get_wait_status(zx_handle_t process, int32_t* out_status);

// ---- exceptions ----

// zxl_task_bind_exception_port(): this binding is asked before the program's own signal handler.
#define ZXL_EXCEPTION_PORT_FIRST_CHANCE ((uint32_t)0x100u)

// zx_task_bind_exception_port() with what Linux adds. An answer that is not there `lease_ns` after the packet was sent counts
// as "next handler"; 0: no limit. INVALID_ARGS for a negative one.
zx_status_t zxl_task_bind_exception_port(zx_handle_t task, zx_handle_t port, uint64_t key, uint32_t options,
                                         int64_t lease_ns);

typedef struct zxl_exception_info {
  int32_t signo;
  int32_t code;  // si_code
  uint64_t address;
  int32_t pid;  // of the sender; 0 for a fault
  int32_t uid;
  int32_t first_signo;  // the fault that the exception is about, which the program's handler had; 0: none
  int32_t first_code;
  uint64_t first_address;
} zxl_exception_info_t;

// The Linux side of the exception that a thread is in; BAD_STATE if it is in none. Needs INSPECT.
zx_status_t zxl_thread_get_exception(zx_handle_t thread, zxl_exception_info_t* out_info);

// ---- guests ----

// What zx_guest_create() wants. NOT_SUPPORTED where KVM cannot be used: zxl_last_error() says what would mend it.
zx_status_t zxl_get_hypervisor_resource(zx_handle_t* out_resource);

#define ZXL_VCPU_ACCESS_NONE 0u
#define ZXL_VCPU_ACCESS_LOAD 1u
#define ZXL_VCPU_ACCESS_STORE 2u
#define ZXL_VCPU_ACCESS_IN 3u
#define ZXL_VCPU_ACCESS_OUT 4u

typedef struct zxl_vcpu_exit_info {
  uint32_t kvm_exit_reason;  // KVM_EXIT_* of <linux/kvm.h>
  uint32_t suberror;         // of KVM_EXIT_INTERNAL_ERROR
  uint64_t hardware_reason;  // of KVM_EXIT_FAIL_ENTRY
#if defined(__x86_64__)
  uint64_t rip;
  uint64_t cr2;
  uint64_t cr3;
  zx_vcpu_state_t state;
  // What is needed to find what is at rip: how the guest's addresses are translated, and what code is there.
  uint64_t cr0;
  uint64_t cr4;
  uint64_t efer;
  uint64_t cs_base;
  uint32_t code_bits;  // 16, 32 or 64
#else
  uint64_t pc;
  uint64_t esr;  // of the last exception that the guest has taken at EL1
  uint64_t far;
  uint64_t elr;
  zx_vcpu_state_t state;  // with all of cpsr
  // How the guest's addresses are translated, and where its handlers are.
  uint64_t sctlr;
  uint64_t tcr;
  uint64_t ttbr0;
  uint64_t ttbr1;
  uint64_t vbar;
  uint32_t code_bits;  // 64
#endif
  // The access that could not be carried out, if it was one.
  uint32_t access;          // ZXL_VCPU_ACCESS_*
  uint64_t access_address;  // guest-physical, or an I/O port
  uint32_t access_bytes;    // 0 where KVM does not say
  uint32_t reserved;
} zxl_vcpu_exit_info_t;

// What the last zx_vcpu_resume() that failed in the guest failed with, and the registers that the guest had then. Any thread.
// BAD_STATE if none has. Needs READ.
zx_status_t zxl_vcpu_get_exit_info(zx_handle_t vcpu, zxl_vcpu_exit_info_t* out_info);

#ifdef __cplusplus
}
#endif

#endif  // ZXTASK_LINUX_H_
