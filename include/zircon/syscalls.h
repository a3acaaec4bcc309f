// The calls. Each may be called by any thread at any time, but not from a signal handler, and none can be interrupted by a
// signal. A call that fails changes nothing unless its page says so, and leaves a sentence about it in zxl_last_error().
//
// In all of them: a handle is looked at in the order ZX_ERR_BAD_HANDLE, ZX_ERR_WRONG_TYPE, ZX_ERR_ACCESS_DENIED; of two bad
// ones the first argument's error counts. A pointer that is null (unless it says optional), misaligned or in the kernel's
// half of the address space is ZX_ERR_INVALID_ARGS; any other bad pointer faults in the caller, and nothing has changed.
// Deadlines are absolute, on CLOCK_MONOTONIC.
#ifndef ZIRCON_SYSCALLS_H_
#define ZIRCON_SYSCALLS_H_

#include <stddef.h>
#include <zircon/errors.h>
#include <zircon/rights.h>
#include <zircon/status.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/object.h>
#include <zircon/syscalls/port.h>
#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- time ----
zx_time_t zx_clock_get_monotonic(void);
// Now plus so much; ZX_TIME_INFINITE where that would overflow.
zx_time_t zx_deadline_after(zx_duration_t nanoseconds);
// Sleeps until the deadline; ZX_OK always.
zx_status_t zx_nanosleep(zx_time_t deadline);

// ---- handles ----
zx_status_t zx_handle_close(zx_handle_t handle);
zx_status_t zx_handle_close_many(const zx_handle_t* handles, size_t num_handles);
zx_status_t zx_handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out);
zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out);

// ---- objects ----
zx_status_t zx_object_get_info(zx_handle_t handle, uint32_t topic, void* buffer, size_t buffer_size, size_t* actual,
                               size_t* avail);
zx_status_t zx_object_get_property(zx_handle_t handle, uint32_t property, void* value, size_t value_size);
zx_status_t zx_object_set_property(zx_handle_t handle, uint32_t property, const void* value, size_t value_size);
zx_status_t zx_object_get_child(zx_handle_t handle, uint64_t koid, zx_rights_t rights, zx_handle_t* out);
zx_status_t zx_object_signal(zx_handle_t handle, uint32_t clear_mask, uint32_t set_mask);
zx_status_t zx_object_wait_one(zx_handle_t handle, zx_signals_t signals, zx_time_t deadline, zx_signals_t* observed);
zx_status_t zx_object_wait_many(zx_wait_item_t* items, size_t count, zx_time_t deadline);
zx_status_t zx_object_wait_async(zx_handle_t handle, zx_handle_t port, uint64_t key, zx_signals_t signals,
                                 uint32_t options);

// ---- jobs ----
// The job that everything of this program belongs to. The caller does not own the handle.
zx_handle_t zx_job_default(void);
zx_status_t zx_job_create(zx_handle_t parent_job, uint32_t options, zx_handle_t* out);

// ---- ports ----
zx_status_t zx_port_create(uint32_t options, zx_handle_t* out);
zx_status_t zx_port_queue(zx_handle_t handle, const zx_port_packet_t* packet);
zx_status_t zx_port_wait(zx_handle_t handle, zx_time_t deadline, zx_port_packet_t* packet);
zx_status_t zx_port_cancel(zx_handle_t handle, zx_handle_t source, uint64_t key);

#ifdef __cplusplus
}
#endif

#endif  // ZIRCON_SYSCALLS_H_
