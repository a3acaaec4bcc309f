// The types that every call uses, and the signals of objects.
#ifndef ZIRCON_TYPES_H_
#define ZIRCON_TYPES_H_

#include <stddef.h>
#include <stdint.h>
#include <zircon/errors.h>

// A handle: a number that stands for an object and for rights on it, in this process. 0 is never one. A value that was
// closed never stands for another object again while the process runs.
typedef uint32_t zx_handle_t;
#define ZX_HANDLE_INVALID ((zx_handle_t)0u)
// Bits that are set in every valid handle.
#define ZX_HANDLE_FIXED_BITS_MASK ((zx_handle_t)0x3u)

typedef int32_t zx_status_t;

// Nanoseconds of CLOCK_MONOTONIC, and a span of them. A deadline that has passed makes a call poll.
typedef int64_t zx_time_t;
typedef int64_t zx_duration_t;

// ---- addresses ----
typedef uintptr_t zx_vaddr_t;
typedef uintptr_t zx_paddr_t;

// zx_vmo_create(); every VMO is one.
#define ZX_VMO_NON_RESIZABLE ((uint32_t)1u)
// zx_vmar_map()
#define ZX_VM_PERM_READ ((uint32_t)1u)
#define ZX_VM_PERM_WRITE ((uint32_t)2u)
#define ZX_VM_PERM_EXECUTE ((uint32_t)4u)
#define ZX_VM_SPECIFIC ((uint32_t)16u)  // at vmar_offset, and nowhere else

#define ZX_TIME_INFINITE INT64_MAX
#define ZX_TIME_INFINITE_PAST INT64_MIN
#define ZX_NSEC(n) ((zx_duration_t)(n))
#define ZX_USEC(n) ((zx_duration_t)(1000 * ZX_NSEC(n)))
#define ZX_MSEC(n) ((zx_duration_t)(1000 * ZX_USEC(n)))
#define ZX_SEC(n) ((zx_duration_t)(1000 * ZX_MSEC(n)))
#define ZX_MIN(n) ((zx_duration_t)(60 * ZX_SEC(n)))
#define ZX_HOUR(n) ((zx_duration_t)(60 * ZX_MIN(n)))

// An object's number, never used again.
typedef uint64_t zx_koid_t;
#define ZX_KOID_INVALID ((zx_koid_t)0u)
#define ZX_KOID_KERNEL ((zx_koid_t)1u)
#define ZX_KOID_FIRST ((zx_koid_t)1024u)

typedef uint32_t zx_rights_t;
typedef uint32_t zx_obj_type_t;

// ---- signals: 32 bits of an object's state that can be waited for ----------------------------------------------------
typedef uint32_t zx_signals_t;
#define ZX_SIGNAL_NONE ((zx_signals_t)0u)

#define ZX_TASK_TERMINATED ((zx_signals_t)1u << 3)
#define ZX_PROCESS_TERMINATED ZX_TASK_TERMINATED
#define ZX_THREAD_TERMINATED ZX_TASK_TERMINATED
#define ZX_THREAD_RUNNING ((zx_signals_t)1u << 4)
#define ZX_THREAD_SUSPENDED ((zx_signals_t)1u << 5)
#define ZX_JOB_TERMINATED ZX_TASK_TERMINATED
#define ZX_JOB_NO_JOBS ((zx_signals_t)1u << 4)
#define ZX_JOB_NO_PROCESSES ((zx_signals_t)1u << 5)

// In what a wait gives back only: the handle that was waited on has been closed.
#define ZX_SIGNAL_HANDLE_CLOSED ((zx_signals_t)1u << 23)

// For programs to set and clear with zx_object_signal().
#define ZX_USER_SIGNAL_0 ((zx_signals_t)1u << 24)
#define ZX_USER_SIGNAL_1 ((zx_signals_t)1u << 25)
#define ZX_USER_SIGNAL_2 ((zx_signals_t)1u << 26)
#define ZX_USER_SIGNAL_3 ((zx_signals_t)1u << 27)
#define ZX_USER_SIGNAL_4 ((zx_signals_t)1u << 28)
#define ZX_USER_SIGNAL_5 ((zx_signals_t)1u << 29)
#define ZX_USER_SIGNAL_6 ((zx_signals_t)1u << 30)
#define ZX_USER_SIGNAL_7 ((zx_signals_t)1u << 31)
#define ZX_USER_SIGNAL_ALL ((zx_signals_t)0xff000000u)

// One object of zx_object_wait_many().
typedef struct zx_wait_item {
  zx_handle_t handle;
  zx_signals_t waitfor;
  zx_signals_t pending;  // written by the call
} zx_wait_item_t;
#define ZX_WAIT_MANY_MAX_ITEMS ((size_t)64)

// A name with its terminating zero.
#define ZX_MAX_NAME_LEN ((size_t)32)

#endif  // ZIRCON_TYPES_H_
