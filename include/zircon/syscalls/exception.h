// Exception types, the report about one, and the options of the calls that deal with them.
#ifndef ZIRCON_SYSCALLS_EXCEPTION_H_
#define ZIRCON_SYSCALLS_EXCEPTION_H_

#include <zircon/syscalls/port.h>
#include <zircon/types.h>

// zx_exception_report_t.header.type, and the type of the packet that announces the exception.
#define ZX_EXCP_SYNTH ((uint32_t)0x8000u)
#define ZX_EXCP_GENERAL ((uint32_t)0x008u)
#define ZX_EXCP_FATAL_PAGE_FAULT ((uint32_t)0x108u)
#define ZX_EXCP_UNDEFINED_INSTRUCTION ((uint32_t)0x208u)
#define ZX_EXCP_SW_BREAKPOINT ((uint32_t)0x308u)
#define ZX_EXCP_HW_BREAKPOINT ((uint32_t)0x408u)
#define ZX_EXCP_UNALIGNED_ACCESS ((uint32_t)0x508u)
#define ZX_EXCP_THREAD_STARTING ((uint32_t)0x008u | ZX_EXCP_SYNTH)
#define ZX_EXCP_THREAD_EXITING ((uint32_t)0x108u | ZX_EXCP_SYNTH)
#define ZX_EXCP_POLICY_ERROR ((uint32_t)0x208u | ZX_EXCP_SYNTH)
#define ZX_EXCP_PROCESS_STARTING ((uint32_t)0x308u | ZX_EXCP_SYNTH)
// True for what the machine raised.
#define ZX_EXCP_IS_ARCH(type) (((type)&ZX_EXCP_SYNTH) == 0u)

typedef struct zx_exception_header {
  uint32_t size;  // of the whole report
  uint32_t type;
} zx_exception_header_t;

typedef struct zx_x86_64_exc_data {
  uint64_t vector;
  uint64_t err_code;
  uint64_t cr2;
} zx_x86_64_exc_data_t;

typedef struct zx_arm64_exc_data {
  uint32_t esr;
  uint32_t padding1;
  uint64_t far;
} zx_arm64_exc_data_t;

typedef struct zx_riscv64_exc_data {
  uint64_t cause;
  uint64_t tval;
  uint64_t padding1;
} zx_riscv64_exc_data_t;

typedef union zx_exception_arch_data {
  zx_x86_64_exc_data_t x86_64;
  zx_arm64_exc_data_t arm_64;
  zx_riscv64_exc_data_t riscv_64;
} zx_exception_arch_data_t;

// arch.x86_64, and arch.u.x86_64 as later headers of Zircon spell it, are the same place.
typedef union zx_exception_arch {
  zx_x86_64_exc_data_t x86_64;
  zx_arm64_exc_data_t arm_64;
  zx_riscv64_exc_data_t riscv_64;
  zx_exception_arch_data_t u;
} zx_exception_arch_t;

typedef struct zx_exception_context {
  zx_exception_arch_t arch;
  uint32_t synth_code;
  uint32_t synth_data;
} zx_exception_context_t;

typedef struct zx_exception_report {
  zx_exception_header_t header;
  zx_exception_context_t context;
} zx_exception_report_t;

// zx_task_bind_exception_port()
#define ZX_EXCEPTION_PORT_DEBUGGER ((uint32_t)1u)
#define ZX_EXCEPTION_PORT_UNBIND_QUIETLY ((uint32_t)2u)

// zx_info_thread_t.wait_exception_port_type
#define ZX_EXCEPTION_PORT_TYPE_NONE ((uint32_t)0u)
#define ZX_EXCEPTION_PORT_TYPE_DEBUGGER ((uint32_t)1u)
#define ZX_EXCEPTION_PORT_TYPE_THREAD ((uint32_t)2u)
#define ZX_EXCEPTION_PORT_TYPE_PROCESS ((uint32_t)3u)
#define ZX_EXCEPTION_PORT_TYPE_JOB ((uint32_t)4u)
#define ZX_EXCEPTION_PORT_TYPE_JOB_DEBUGGER ((uint32_t)5u)

// zx_task_resume() and zx_task_resume_from_exception()
#define ZX_RESUME_EXCEPTION ((uint32_t)1u)
#define ZX_RESUME_TRY_NEXT ((uint32_t)2u)

#endif  // ZIRCON_SYSCALLS_EXCEPTION_H_
