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
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/hypervisor.h>
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

// ---- tasks ----
// Ends a thread, a process, or a job with all that is in it. Needs DESTROY. A dead one is fine.
zx_status_t zx_task_kill(zx_handle_t task);
// Stops a thread, or all threads of a process, until the last handle of the token is closed; ZX_THREAD_SUSPENDED says that it
// has happened. Needs WRITE. WRONG_TYPE for jobs, NOT_SUPPORTED for the caller itself, BAD_STATE for the dying and dead.
zx_status_t zx_task_suspend(zx_handle_t task, zx_handle_t* token);
zx_status_t zx_task_suspend_token(zx_handle_t task, zx_handle_t* token);
// Options 0: undoes a suspend without a token. ZX_RESUME_EXCEPTION: lets a thread go on from its exception, with
// ZX_RESUME_TRY_NEXT to the next handler. Needs WRITE.
zx_status_t zx_task_resume(zx_handle_t task, uint32_t options);
// As ZX_RESUME_EXCEPTION, by whoever was asked: `port` is the one the packet came from; options are 0 or
// ZX_RESUME_TRY_NEXT. Needs WRITE on the thread. ACCESS_DENIED for another port.
zx_status_t zx_task_resume_from_exception(zx_handle_t task, zx_handle_t port, uint32_t options);
// Packets of the task's exceptions go to the port; `port` 0 undoes that. Needs MANAGE_THREAD on the task and WRITE on the
// port. ALREADY_BOUND, NOT_FOUND for a dead task, BAD_STATE for an unbind where nothing is bound.
zx_status_t zx_task_bind_exception_port(zx_handle_t task, zx_handle_t port, uint64_t key, uint32_t options);

// ---- processes and threads ----
// What is mapped at `address`, whatever its protection; `actual` says how much that was. Needs READ or WRITE. NO_MEMORY if it
// was nothing.
zx_status_t zx_process_read_memory(zx_handle_t process, uint64_t address, void* buffer, size_t size, size_t* actual);
zx_status_t zx_process_write_memory(zx_handle_t process, uint64_t address, const void* buffer, size_t size,
                                    size_t* actual);
// A thread of the process that runs nothing until it is started. `options` is 0; names are cut at 31 bytes. Needs
// MANAGE_THREAD. NO_MEMORY, NO_RESOURCES, ACCESS_DENIED (the program may not call clone), BAD_STATE (none of its threads can
// be borrowed for the call; the process is dead or dying).
zx_status_t zx_thread_create(zx_handle_t process, const char* name, size_t name_size, uint32_t options,
                             zx_handle_t* out);
// Lets a new thread run at `pc`, with these registers and all others at their initial values. Needs MANAGE_THREAD.
// INVALID_ARGS for a value that no code could have put there, BAD_STATE for a thread that was started or a process that is
// dead. A failure leaves it new.
zx_status_t zx_thread_start(zx_handle_t thread, zx_vaddr_t pc, zx_vaddr_t sp, uintptr_t arg1, uintptr_t arg2);
zx_status_t zx_thread_start_regs(zx_handle_t thread, uint64_t pc, uint64_t sp, uint64_t arg1, uint64_t arg2,
                                 uint64_t tp, uint64_t abi_reg);
// The same for the first thread of a process that has not been started. Needs WRITE on both. `arg1` is consumed in any case; it
// has to stand for nothing: NOT_SUPPORTED for a handle.
zx_status_t zx_process_start(zx_handle_t process, zx_handle_t thread, zx_vaddr_t pc, zx_vaddr_t sp, zx_handle_t arg1,
                             uintptr_t arg2);
// The registers of a thread that is suspended or in an exception; BAD_STATE for another. Needs READ or WRITE.
zx_status_t zx_thread_read_state(zx_handle_t thread, uint32_t kind, void* buffer, size_t size);
zx_status_t zx_thread_write_state(zx_handle_t thread, uint32_t kind, const void* buffer, size_t size);

// ---- memory for guests ----
// Zeros, in whole pages; what is not touched costs nothing. OUT_OF_RANGE, NO_MEMORY, NO_RESOURCES.
zx_status_t zx_vmo_create(uint64_t size, uint32_t options, zx_handle_t* out);
// All of it is inside the VMO, or OUT_OF_RANGE and nothing is copied. Need READ, WRITE.
zx_status_t zx_vmo_read(zx_handle_t handle, void* buffer, uint64_t offset, size_t size);
zx_status_t zx_vmo_write(zx_handle_t handle, const void* buffer, uint64_t offset, size_t size);
zx_status_t zx_vmo_get_size(zx_handle_t handle, uint64_t* size);
// Makes part of a VMO the physical memory of a guest, at `vmar_offset` with ZX_VM_SPECIFIC, else where there is room. What is
// trapped there stays so. `options` has ZX_VM_PERM_READ; a write without ZX_VM_PERM_WRITE ends zx_vcpu_resume(). Needs the
// rights of the permissions on both, and MAP on the VMO. INVALID_ARGS, OUT_OF_RANGE, ALREADY_EXISTS, NO_MEMORY, NO_RESOURCES.
zx_status_t zx_vmar_map(zx_handle_t vmar, uint32_t options, uint64_t vmar_offset, zx_handle_t vmo, uint64_t vmo_offset,
                        uint64_t len, zx_vaddr_t* mapped);
// Any range of whole pages. NOT_FOUND where nothing is mapped in all of it.
zx_status_t zx_vmar_unmap(zx_handle_t vmar, zx_vaddr_t addr, uint64_t len);

// ---- guests ----
// A virtual machine without memory, traps or VCPUs, and the handle to its physical address space. `resource` comes from
// zxl_get_hypervisor_resource(). With the last handle of the guest its VCPUs end.
zx_status_t zx_guest_create(zx_handle_t resource, uint32_t options, zx_handle_t* guest_handle,
                            zx_handle_t* vmar_handle);
// From now on accesses to this range are told: of ZX_GUEST_TRAP_BELL to the port, of the others by zx_vcpu_resume(). What is
// mapped there is unmapped. Needs WRITE on both. INVALID_ARGS, OUT_OF_RANGE, NOT_SUPPORTED, ALREADY_EXISTS.
zx_status_t zx_guest_set_trap(zx_handle_t handle, uint32_t kind, zx_vaddr_t addr, size_t size, zx_handle_t port_handle,
                              uint64_t key);
// A VCPU of the calling thread's, which gets no second one while this exists. On x86-64 the first of a guest begins at `entry` in
// 64-bit mode with its page tables at 0, the others in real mode. Needs MANAGE_PROCESS. INVALID_ARGS, BAD_STATE, NO_RESOURCES.
zx_status_t zx_vcpu_create(zx_handle_t guest, uint32_t options, zx_vaddr_t entry, zx_handle_t* out);
// Runs the guest until something is to be told, which goes to the packet. Only the thread that made it; BAD_STATE at once for
// another. CANCELED when it was kicked, or the guest has lost its last handle; every other status is one of the guest's.
// Needs EXECUTE.
zx_status_t zx_vcpu_resume(zx_handle_t vcpu, zx_port_packet_t* packet);
zx_status_t zx_vcpu_enter(zx_handle_t vcpu, zx_port_packet_t* packet);
// Raises an interrupt, which the guest takes when it can. Any thread. Needs SIGNAL. OUT_OF_RANGE.
zx_status_t zx_vcpu_interrupt(zx_handle_t vcpu, uint32_t vector);
// The zx_vcpu_resume() that runs, or else the next one, is CANCELED, once. Any thread. Needs EXECUTE.
zx_status_t zx_vcpu_kick(zx_handle_t vcpu);
// The registers of a VCPU. Only the thread that made it. Need READ, WRITE.
zx_status_t zx_vcpu_read_state(zx_handle_t vcpu, uint32_t kind, void* buffer, size_t size);
zx_status_t zx_vcpu_write_state(zx_handle_t vcpu, uint32_t kind, const void* buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif  // ZIRCON_SYSCALLS_H_
