// What goes through a port: packets of 48 bytes.
#ifndef ZIRCON_SYSCALLS_PORT_H_
#define ZIRCON_SYSCALLS_PORT_H_

#include <stdbool.h>
#include <zircon/types.h>

// zx_port_create()
#define ZX_PORT_BIND_TO_INTERRUPT ((uint32_t)1u)

// zx_object_wait_async()
#define ZX_WAIT_ASYNC_ONCE ((uint32_t)0u)
#define ZX_WAIT_ASYNC_REPEATING ((uint32_t)1u)

// zx_port_packet_t.type. The low byte is the class; an exception's type is in the byte above.
#define ZX_PKT_TYPE_USER ((uint32_t)0x00u)
#define ZX_PKT_TYPE_SIGNAL_ONE ((uint32_t)0x01u)
#define ZX_PKT_TYPE_SIGNAL_REP ((uint32_t)0x02u)
#define ZX_PKT_TYPE_GUEST_BELL ((uint32_t)0x03u)
#define ZX_PKT_TYPE_GUEST_MEM ((uint32_t)0x04u)
#define ZX_PKT_TYPE_GUEST_IO ((uint32_t)0x05u)
#define ZX_PKT_TYPE_GUEST_VCPU ((uint32_t)0x06u)
#define ZX_PKT_TYPE_INTERRUPT ((uint32_t)0x07u)
#define ZX_PKT_TYPE_EXCEPTION(n) ((uint32_t)(0x08u | (((n)&0xffu) << 8)))
#define ZX_PKT_TYPE_MASK ((uint32_t)0xffu)

#define ZX_PKT_IS_USER(type) ((type) == ZX_PKT_TYPE_USER)
#define ZX_PKT_IS_SIGNAL_ONE(type) ((type) == ZX_PKT_TYPE_SIGNAL_ONE)
#define ZX_PKT_IS_SIGNAL_REP(type) ((type) == ZX_PKT_TYPE_SIGNAL_REP)
#define ZX_PKT_IS_GUEST_BELL(type) ((type) == ZX_PKT_TYPE_GUEST_BELL)
#define ZX_PKT_IS_GUEST_MEM(type) ((type) == ZX_PKT_TYPE_GUEST_MEM)
#define ZX_PKT_IS_GUEST_IO(type) ((type) == ZX_PKT_TYPE_GUEST_IO)
#define ZX_PKT_IS_GUEST_VCPU(type) ((type) == ZX_PKT_TYPE_GUEST_VCPU)
#define ZX_PKT_IS_INTERRUPT(type) ((type) == ZX_PKT_TYPE_INTERRUPT)
#define ZX_PKT_IS_EXCEPTION(type) (((type)&ZX_PKT_TYPE_MASK) == ZX_PKT_TYPE_EXCEPTION(0u))

// What zx_port_queue() was given, kept to the letter.
typedef union zx_packet_user {
  uint64_t u64[4];
  uint32_t u32[8];
  uint16_t u16[16];
  uint8_t c8[32];
} zx_packet_user_t;

// From zx_object_wait_async().
typedef struct zx_packet_signal {
  zx_signals_t trigger;   // what was waited for
  zx_signals_t observed;  // all signals of the object when it came true
  uint64_t count;         // 1
  uint64_t reserved0;
  uint64_t reserved1;
} zx_packet_signal_t;

typedef struct zx_packet_exception {
  uint64_t pid;  // koids
  uint64_t tid;
  uint64_t reserved0;
  uint64_t reserved1;
} zx_packet_exception_t;

typedef struct zx_packet_guest_bell {
  uint64_t addr;  // guest-physical
  uint64_t reserved0;
  uint64_t reserved1;
  uint64_t reserved2;
} zx_packet_guest_bell_t;

typedef struct zx_packet_guest_mem {
  uint64_t addr;  // guest-physical
#if defined(__x86_64__)
  uint8_t inst_len;
  uint8_t inst_buf[15];
  uint8_t default_operand_size;
  uint8_t reserved[7];
#else
  uint8_t access_size;  // bytes: 1, 2, 4 or 8
  bool sign_extend;
  uint8_t xt;  // the register that is stored or loaded; 31 is the zero register
  bool read;
  uint64_t data;  // of a store: the register, of which the low access_size bytes are stored
  uint64_t reserved;
#endif
} zx_packet_guest_mem_t;

typedef struct zx_packet_guest_io {
  uint16_t port;
  uint8_t access_size;
  bool input;
  union {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint8_t data[4];
  };
  uint64_t reserved0;
  uint64_t reserved1;
  uint64_t reserved2;
} zx_packet_guest_io_t;

// zx_packet_guest_vcpu_t.type
#define ZX_PKT_GUEST_VCPU_INTERRUPT ((uint8_t)0u)
#define ZX_PKT_GUEST_VCPU_STARTUP ((uint8_t)1u)

typedef struct zx_packet_guest_vcpu_interrupt {
  uint64_t mask;
  uint8_t vector;
} zx_packet_guest_vcpu_interrupt_t;

typedef struct zx_packet_guest_vcpu_startup {
  uint64_t id;
  uint64_t entry;  // guest-physical
} zx_packet_guest_vcpu_startup_t;

typedef struct zx_packet_guest_vcpu {
  union {
    zx_packet_guest_vcpu_interrupt_t interrupt;
    zx_packet_guest_vcpu_startup_t startup;
  };
  uint8_t type;
  uint64_t reserved;
} zx_packet_guest_vcpu_t;

typedef struct zx_packet_interrupt {
  zx_time_t timestamp;
  uint64_t reserved0;
  uint64_t reserved1;
  uint64_t reserved2;
} zx_packet_interrupt_t;

typedef struct zx_port_packet {
  uint64_t key;
  uint32_t type;
  zx_status_t status;
  union {
    zx_packet_user_t user;
    zx_packet_signal_t signal;
    zx_packet_exception_t exception;
    zx_packet_guest_bell_t guest_bell;
    zx_packet_guest_mem_t guest_mem;
    zx_packet_guest_io_t guest_io;
    zx_packet_guest_vcpu_t guest_vcpu;
    zx_packet_interrupt_t interrupt;
  };
} zx_port_packet_t;

#endif  // ZIRCON_SYSCALLS_PORT_H_
