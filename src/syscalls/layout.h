// The sizes, offsets and numbers that are part of the interface, in C as in C++.
#ifndef ZXCTL_SYSCALLS_LAYOUT_H_
#define ZXCTL_SYSCALLS_LAYOUT_H_

#include <assert.h>
#include <stddef.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#define ZX_LAYOUT_SIZE(type, size) static_assert(sizeof(type) == (size), #type " has another size")
#define ZX_LAYOUT_FIELD(type, field, offset) \
  static_assert(offsetof(type, field) == (offset), #type "." #field " is somewhere else")

ZX_LAYOUT_SIZE(zx_handle_t, 4);
ZX_LAYOUT_SIZE(zx_status_t, 4);
ZX_LAYOUT_SIZE(zx_time_t, 8);
ZX_LAYOUT_SIZE(zx_koid_t, 8);
ZX_LAYOUT_SIZE(zx_rights_t, 4);
ZX_LAYOUT_SIZE(zx_signals_t, 4);

ZX_LAYOUT_SIZE(zx_wait_item_t, 12);
ZX_LAYOUT_FIELD(zx_wait_item_t, handle, 0);
ZX_LAYOUT_FIELD(zx_wait_item_t, waitfor, 4);
ZX_LAYOUT_FIELD(zx_wait_item_t, pending, 8);

ZX_LAYOUT_SIZE(zx_port_packet_t, 48);
ZX_LAYOUT_FIELD(zx_port_packet_t, key, 0);
ZX_LAYOUT_FIELD(zx_port_packet_t, type, 8);
ZX_LAYOUT_FIELD(zx_port_packet_t, status, 12);
ZX_LAYOUT_FIELD(zx_port_packet_t, user, 16);
ZX_LAYOUT_SIZE(zx_packet_user_t, 32);
ZX_LAYOUT_SIZE(zx_packet_signal_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, signal.trigger, 16);
ZX_LAYOUT_FIELD(zx_port_packet_t, signal.observed, 20);
ZX_LAYOUT_FIELD(zx_port_packet_t, signal.count, 24);
ZX_LAYOUT_SIZE(zx_packet_exception_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, exception.pid, 16);
ZX_LAYOUT_FIELD(zx_port_packet_t, exception.tid, 24);
ZX_LAYOUT_SIZE(zx_packet_guest_bell_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_bell.addr, 16);
ZX_LAYOUT_SIZE(zx_packet_guest_mem_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_mem.addr, 16);
ZX_LAYOUT_SIZE(zx_packet_guest_io_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_io.port, 16);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_io.access_size, 18);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_io.input, 19);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_io.data, 20);
ZX_LAYOUT_SIZE(zx_packet_guest_vcpu_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_vcpu.interrupt.mask, 16);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_vcpu.interrupt.vector, 24);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_vcpu.startup.id, 16);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_vcpu.startup.entry, 24);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_vcpu.type, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, guest_vcpu.reserved, 40);
ZX_LAYOUT_SIZE(zx_packet_interrupt_t, 32);
ZX_LAYOUT_FIELD(zx_port_packet_t, interrupt.timestamp, 16);

ZX_LAYOUT_SIZE(zx_info_handle_basic_t, 32);
ZX_LAYOUT_FIELD(zx_info_handle_basic_t, koid, 0);
ZX_LAYOUT_FIELD(zx_info_handle_basic_t, rights, 8);
ZX_LAYOUT_FIELD(zx_info_handle_basic_t, type, 12);
ZX_LAYOUT_FIELD(zx_info_handle_basic_t, related_koid, 16);
ZX_LAYOUT_FIELD(zx_info_handle_basic_t, props, 24);
ZX_LAYOUT_SIZE(zx_info_process_t, 24);
ZX_LAYOUT_FIELD(zx_info_process_t, return_code, 0);
ZX_LAYOUT_FIELD(zx_info_process_t, start_time, 8);
ZX_LAYOUT_FIELD(zx_info_process_t, flags, 16);
ZX_LAYOUT_SIZE(zx_info_thread_t, 72);
ZX_LAYOUT_FIELD(zx_info_thread_t, state, 0);
ZX_LAYOUT_FIELD(zx_info_thread_t, wait_exception_port_type, 4);
ZX_LAYOUT_FIELD(zx_info_thread_t, cpu_mask, 8);

ZX_LAYOUT_SIZE(zx_exception_report_t, 40);
ZX_LAYOUT_FIELD(zx_exception_report_t, header.size, 0);
ZX_LAYOUT_FIELD(zx_exception_report_t, header.type, 4);
ZX_LAYOUT_SIZE(zx_exception_arch_t, 24);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch, 8);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.x86_64.vector, 8);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.x86_64.err_code, 16);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.x86_64.cr2, 24);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.arm_64.esr, 8);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.arm_64.far, 16);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.riscv_64.cause, 8);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.riscv_64.tval, 16);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.u.x86_64.vector, 8);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.u.x86_64.err_code, 16);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.u.x86_64.cr2, 24);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.u.arm_64.far, 16);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.arch.u.riscv_64.tval, 16);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.synth_code, 32);
ZX_LAYOUT_FIELD(zx_exception_report_t, context.synth_data, 36);

static_assert(ZX_RIGHTS_BASIC == 0xC003, "basic rights");
static_assert(ZX_DEFAULT_JOB_RIGHTS == 0x7DFCF, "a job's rights");
static_assert(ZX_DEFAULT_PROCESS_RIGHTS == 0x6D3CF, "a process's rights");
static_assert(ZX_DEFAULT_THREAD_RIGHTS == 0x4D2CF, "a thread's rights");
static_assert(ZX_DEFAULT_PORT_RIGHTS == 0x800F, "a port's rights");
static_assert(ZX_DEFAULT_GUEST_RIGHTS == 0x2800B, "a guest's rights");
static_assert(ZX_DEFAULT_VCPU_RIGHTS == 0xD01F, "a VCPU's rights");
static_assert(ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS == 0x8002, "a suspend token's rights");

static_assert(ZX_PKT_TYPE_EXCEPTION(0x83u) == ZX_EXCP_PROCESS_STARTING, "an exception's packet has its type");
static_assert(ZX_PKT_TYPE_EXCEPTION(1u) == ZX_EXCP_FATAL_PAGE_FAULT, "an exception's packet has its type");

#endif  // ZXCTL_SYSCALLS_LAYOUT_H_
