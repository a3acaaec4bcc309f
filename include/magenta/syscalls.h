// The names of 2017: each is another name for what <zircon/syscalls.h> has, with the arguments it has there, but for
// mx_task_suspend(). What came later has no such name.
#ifndef MAGENTA_SYSCALLS_H_
#define MAGENTA_SYSCALLS_H_

#include <zircon/syscalls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef zx_handle_t mx_handle_t;
typedef zx_status_t mx_status_t;
typedef zx_time_t mx_time_t;
typedef zx_duration_t mx_duration_t;
typedef zx_rights_t mx_rights_t;
typedef zx_signals_t mx_signals_t;
typedef zx_koid_t mx_koid_t;
typedef zx_port_packet_t mx_port_packet_t;
typedef zx_wait_item_t mx_wait_item_t;

#define MX_OK ZX_OK
#define MX_ERR_INTERNAL ZX_ERR_INTERNAL
#define MX_ERR_NOT_SUPPORTED ZX_ERR_NOT_SUPPORTED
#define MX_ERR_NO_RESOURCES ZX_ERR_NO_RESOURCES
#define MX_ERR_NO_MEMORY ZX_ERR_NO_MEMORY
#define MX_ERR_INVALID_ARGS ZX_ERR_INVALID_ARGS
#define MX_ERR_BAD_HANDLE ZX_ERR_BAD_HANDLE
#define MX_ERR_WRONG_TYPE ZX_ERR_WRONG_TYPE
#define MX_ERR_BAD_SYSCALL ZX_ERR_BAD_SYSCALL
#define MX_ERR_OUT_OF_RANGE ZX_ERR_OUT_OF_RANGE
#define MX_ERR_BUFFER_TOO_SMALL ZX_ERR_BUFFER_TOO_SMALL
#define MX_ERR_BAD_STATE ZX_ERR_BAD_STATE
#define MX_ERR_TIMED_OUT ZX_ERR_TIMED_OUT
#define MX_ERR_SHOULD_WAIT ZX_ERR_SHOULD_WAIT
#define MX_ERR_CANCELED ZX_ERR_CANCELED
#define MX_ERR_PEER_CLOSED ZX_ERR_PEER_CLOSED
#define MX_ERR_NOT_FOUND ZX_ERR_NOT_FOUND
#define MX_ERR_ALREADY_EXISTS ZX_ERR_ALREADY_EXISTS
#define MX_ERR_ALREADY_BOUND ZX_ERR_ALREADY_BOUND
#define MX_ERR_UNAVAILABLE ZX_ERR_UNAVAILABLE
#define MX_ERR_ACCESS_DENIED ZX_ERR_ACCESS_DENIED
#define MX_ERR_IO ZX_ERR_IO
#define MX_ERR_IO_REFUSED ZX_ERR_IO_REFUSED
#define MX_ERR_IO_DATA_INTEGRITY ZX_ERR_IO_DATA_INTEGRITY
#define MX_ERR_IO_DATA_LOSS ZX_ERR_IO_DATA_LOSS
#define MX_ERR_IO_NOT_PRESENT ZX_ERR_IO_NOT_PRESENT
#define MX_ERR_IO_OVERRUN ZX_ERR_IO_OVERRUN
#define MX_ERR_IO_MISSED_DEADLINE ZX_ERR_IO_MISSED_DEADLINE
#define MX_ERR_IO_INVALID ZX_ERR_IO_INVALID
#define MX_ERR_BAD_PATH ZX_ERR_BAD_PATH
#define MX_ERR_NOT_DIR ZX_ERR_NOT_DIR
#define MX_ERR_NOT_FILE ZX_ERR_NOT_FILE
#define MX_ERR_FILE_BIG ZX_ERR_FILE_BIG
#define MX_ERR_NO_SPACE ZX_ERR_NO_SPACE
#define MX_ERR_NOT_EMPTY ZX_ERR_NOT_EMPTY
#define MX_ERR_STOP ZX_ERR_STOP
#define MX_ERR_NEXT ZX_ERR_NEXT
#define MX_ERR_ASYNC ZX_ERR_ASYNC
#define MX_ERR_PROTOCOL_NOT_SUPPORTED ZX_ERR_PROTOCOL_NOT_SUPPORTED
#define MX_ERR_ADDRESS_UNREACHABLE ZX_ERR_ADDRESS_UNREACHABLE
#define MX_ERR_ADDRESS_IN_USE ZX_ERR_ADDRESS_IN_USE
#define MX_ERR_NOT_CONNECTED ZX_ERR_NOT_CONNECTED
#define MX_ERR_CONNECTION_REFUSED ZX_ERR_CONNECTION_REFUSED
#define MX_ERR_CONNECTION_RESET ZX_ERR_CONNECTION_RESET
#define MX_ERR_CONNECTION_ABORTED ZX_ERR_CONNECTION_ABORTED

#define MX_HANDLE_INVALID ZX_HANDLE_INVALID
#define MX_TIME_INFINITE ZX_TIME_INFINITE
#define MX_RIGHT_SAME_RIGHTS ZX_RIGHT_SAME_RIGHTS

#define MX_RESUME_EXCEPTION ZX_RESUME_EXCEPTION
#define MX_RESUME_TRY_NEXT ZX_RESUME_TRY_NEXT
#define MX_EXCEPTION_PORT_DEBUGGER ZX_EXCEPTION_PORT_DEBUGGER
#define MX_EXCEPTION_PORT_UNBIND_QUIETLY ZX_EXCEPTION_PORT_UNBIND_QUIETLY

// The suspend of a thread that mx_task_resume(thread, 0) undoes: however often it is called, one resume is enough. Needs
// WRITE. WRONG_TYPE for all but threads, BAD_STATE for one that is new, dying or dead.
mx_status_t mx_task_suspend(mx_handle_t task);
mx_status_t mx_task_resume(mx_handle_t task, uint32_t options);

#define mx_task_bind_exception_port zx_task_bind_exception_port
#define mx_task_kill zx_task_kill
#define mx_process_read_memory zx_process_read_memory
#define mx_process_write_memory zx_process_write_memory
#define mx_process_start zx_process_start
#define mx_thread_create zx_thread_create
#define mx_thread_start zx_thread_start
#define mx_thread_read_state zx_thread_read_state
#define mx_thread_write_state zx_thread_write_state
#define mx_job_create zx_job_create
#define mx_job_default zx_job_default
#define mx_handle_close zx_handle_close
#define mx_handle_duplicate zx_handle_duplicate
#define mx_handle_replace zx_handle_replace
#define mx_object_get_child zx_object_get_child
#define mx_object_get_info zx_object_get_info
#define mx_object_get_property zx_object_get_property
#define mx_object_set_property zx_object_set_property
#define mx_object_signal zx_object_signal
#define mx_object_wait_async zx_object_wait_async
#define mx_object_wait_many zx_object_wait_many
#define mx_object_wait_one zx_object_wait_one
#define mx_port_cancel zx_port_cancel
#define mx_port_create zx_port_create
#define mx_port_queue zx_port_queue
#define mx_port_wait zx_port_wait
#define mx_deadline_after zx_deadline_after
#define mx_nanosleep zx_nanosleep
#define mx_status_get_string zx_status_get_string

#ifdef __cplusplus
}
#endif

#endif  // MAGENTA_SYSCALLS_H_
