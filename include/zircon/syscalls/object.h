// Object types, properties, and what zx_object_get_info() tells.
#ifndef ZIRCON_SYSCALLS_OBJECT_H_
#define ZIRCON_SYSCALLS_OBJECT_H_

#include <zircon/types.h>

// zx_info_handle_basic_t.type
#define ZX_OBJ_TYPE_NONE ((zx_obj_type_t)0u)
#define ZX_OBJ_TYPE_PROCESS ((zx_obj_type_t)1u)
#define ZX_OBJ_TYPE_THREAD ((zx_obj_type_t)2u)
#define ZX_OBJ_TYPE_VMO ((zx_obj_type_t)3u)
#define ZX_OBJ_TYPE_CHANNEL ((zx_obj_type_t)4u)
#define ZX_OBJ_TYPE_EVENT ((zx_obj_type_t)5u)
#define ZX_OBJ_TYPE_PORT ((zx_obj_type_t)6u)
#define ZX_OBJ_TYPE_INTERRUPT ((zx_obj_type_t)9u)
#define ZX_OBJ_TYPE_PCI_DEVICE ((zx_obj_type_t)11u)
#define ZX_OBJ_TYPE_LOG ((zx_obj_type_t)12u)
#define ZX_OBJ_TYPE_SOCKET ((zx_obj_type_t)14u)
#define ZX_OBJ_TYPE_RESOURCE ((zx_obj_type_t)15u)
#define ZX_OBJ_TYPE_EVENTPAIR ((zx_obj_type_t)16u)
#define ZX_OBJ_TYPE_JOB ((zx_obj_type_t)17u)
#define ZX_OBJ_TYPE_VMAR ((zx_obj_type_t)18u)
#define ZX_OBJ_TYPE_FIFO ((zx_obj_type_t)19u)
#define ZX_OBJ_TYPE_GUEST ((zx_obj_type_t)20u)
#define ZX_OBJ_TYPE_VCPU ((zx_obj_type_t)21u)
#define ZX_OBJ_TYPE_TIMER ((zx_obj_type_t)22u)
#define ZX_OBJ_TYPE_IOMMU ((zx_obj_type_t)23u)
#define ZX_OBJ_TYPE_BTI ((zx_obj_type_t)24u)
#define ZX_OBJ_TYPE_PROFILE ((zx_obj_type_t)25u)
#define ZX_OBJ_TYPE_PMT ((zx_obj_type_t)26u)
#define ZX_OBJ_TYPE_SUSPEND_TOKEN ((zx_obj_type_t)27u)
#define ZX_OBJ_TYPE_PAGER ((zx_obj_type_t)28u)
#define ZX_OBJ_TYPE_EXCEPTION ((zx_obj_type_t)29u)

// zx_object_get_info(): topics and their records. Lists are arrays of zx_koid_t.
#define ZX_INFO_NONE ((uint32_t)0u)
#define ZX_INFO_HANDLE_VALID ((uint32_t)1u)              // no record
#define ZX_INFO_HANDLE_BASIC ((uint32_t)2u)              // zx_info_handle_basic_t
#define ZX_INFO_PROCESS ((uint32_t)3u)                   // zx_info_process_t
#define ZX_INFO_PROCESS_THREADS ((uint32_t)4u)           // a list
#define ZX_INFO_JOB_CHILDREN ((uint32_t)8u)              // a list
#define ZX_INFO_JOB_PROCESSES ((uint32_t)9u)             // a list
#define ZX_INFO_THREAD ((uint32_t)10u)                   // zx_info_thread_t
#define ZX_INFO_THREAD_EXCEPTION_REPORT ((uint32_t)11u)  // zx_exception_report_t
#define ZX_INFO_TASK_STATS ((uint32_t)12u)
#define ZX_INFO_THREAD_STATS ((uint32_t)15u)
#define ZX_INFO_HANDLE_COUNT ((uint32_t)19u)
#define ZX_INFO_VCPU ((uint32_t)32u)  // zx_info_vcpu_t

#define ZX_OBJ_PROP_NONE ((uint32_t)0u)
#define ZX_OBJ_PROP_WAITABLE ((uint32_t)1u)

typedef struct zx_info_handle_basic {
  zx_koid_t koid;
  zx_rights_t rights;  // of the handle
  zx_obj_type_t type;
  zx_koid_t related_koid;  // a thread's process, a process's job, a job's parent; else 0
  uint32_t props;          // ZX_OBJ_PROP_*
  uint32_t padding1;
} zx_info_handle_basic_t;

#define ZX_INFO_PROCESS_FLAG_STARTED ((uint32_t)1u)
#define ZX_INFO_PROCESS_FLAG_EXITED ((uint32_t)2u)
#define ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED ((uint32_t)4u)

typedef struct zx_info_process {
  int64_t return_code;
  zx_time_t start_time;
  uint32_t flags;  // ZX_INFO_PROCESS_FLAG_*
  uint32_t padding1;
} zx_info_process_t;

// What a process's return_code is when it did not return one.
#define ZX_TASK_RETCODE_SYSCALL_KILL ((int64_t)-1024)
#define ZX_TASK_RETCODE_EXCEPTION_KILL ((int64_t)-1028)

// zx_info_thread_t.state
#define ZX_THREAD_STATE_NEW ((uint32_t)0x0000u)
#define ZX_THREAD_STATE_RUNNING ((uint32_t)0x0001u)
#define ZX_THREAD_STATE_SUSPENDED ((uint32_t)0x0002u)
#define ZX_THREAD_STATE_BLOCKED ((uint32_t)0x0003u)
#define ZX_THREAD_STATE_DYING ((uint32_t)0x0004u)
#define ZX_THREAD_STATE_DEAD ((uint32_t)0x0005u)
#define ZX_THREAD_STATE_BLOCKED_EXCEPTION ((uint32_t)0x0103u)
#define ZX_THREAD_STATE_BLOCKED_SLEEPING ((uint32_t)0x0203u)
#define ZX_THREAD_STATE_BLOCKED_FUTEX ((uint32_t)0x0303u)
#define ZX_THREAD_STATE_BLOCKED_PORT ((uint32_t)0x0403u)
#define ZX_THREAD_STATE_BLOCKED_CHANNEL ((uint32_t)0x0503u)
#define ZX_THREAD_STATE_BLOCKED_WAIT_ONE ((uint32_t)0x0603u)
#define ZX_THREAD_STATE_BLOCKED_WAIT_MANY ((uint32_t)0x0703u)
#define ZX_THREAD_STATE_BLOCKED_INTERRUPT ((uint32_t)0x0803u)
#define ZX_THREAD_STATE_BASIC(state) ((state)&0xffu)

typedef struct zx_info_thread {
  uint32_t state;                     // ZX_THREAD_STATE_*
  uint32_t wait_exception_port_type;  // ZX_EXCEPTION_PORT_TYPE_*; not 0 while an answer is outstanding
  uint64_t cpu_mask[8];
} zx_info_thread_t;

// zx_vcpu_kick() was called, and no zx_vcpu_resume() has been CANCELED for it yet.
#define ZX_INFO_VCPU_FLAG_KICKED ((uint32_t)1u)

typedef struct zx_info_vcpu {
  uint32_t flags;  // ZX_INFO_VCPU_FLAG_*
} zx_info_vcpu_t;

// zx_object_get_property() and zx_object_set_property()
#define ZX_PROP_NAME ((uint32_t)3u)  // char[ZX_MAX_NAME_LEN]

#endif  // ZIRCON_SYSCALLS_OBJECT_H_
