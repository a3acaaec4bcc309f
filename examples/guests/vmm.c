// A virtual machine monitor: a guest that says hello on a serial port, reads a number from a device, and rings a bell.
#include <stdio.h>
#include <stdlib.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

// What the guest runs: 64-bit code at 0x1000.
extern const char guest_code[], guest_code_end[];
__asm__(
    ".pushsection .rodata\n"
    "guest_code:\n"
    "  lea text(%rip), %rsi\n"
    "1: lodsb\n"
    "  test %al, %al\n"
    "  jz 2f\n"
    "  mov $0x3f8, %dx\n"
    "  out %al, %dx\n"
    "  jmp 1b\n"
    "2: mov 0x100000, %eax\n"  // the device
    "  mov %eax, 0x101000\n"   // the bell
    "  out %eax, $0xf4\n"      // the end
    "text: .asciz \"hello from a guest\\n\"\n"
    "guest_code_end:\n"
    ".popsection\n");

enum { kSerial = 1, kDevice, kBell, kEnd };

static void Check(zx_status_t status, const char* what) {
  if (status == ZX_OK) return;
  fprintf(stderr, "%s: %s\n", what, zxl_last_error());
  exit(1);
}

// The guest's page tables: 2 MiB at their own addresses.
static void WritePageTables(zx_handle_t memory) {
  const uint64_t places[] = {0, 0x2000, 0x3000};
  const uint64_t entries[] = {0x2000 | 7, 0x3000 | 7, 0 | 0x87};
  for (int i = 0; i < 3; i++) Check(zx_vmo_write(memory, &entries[i], places[i], sizeof(entries[i])), "page tables");
}

// The device has 42 in it: `mov 0x100000, %eax` goes to rax.
static void AnswerDevice(zx_handle_t vcpu) {
  zx_vcpu_state_t state;
  Check(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), "registers");
  state.rax = 42;
  Check(zx_vcpu_write_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), "registers");
}

int main(void) {
  zx_handle_t hypervisor, guest, vmar, memory, port, vcpu;
  zx_vaddr_t at;
  zx_port_packet_t packet;
  Check(zxl_get_hypervisor_resource(&hypervisor), "guests");
  Check(zx_guest_create(hypervisor, 0, &guest, &vmar), "guest");
  Check(zx_vmo_create(1 << 20, 0, &memory), "memory");
  Check(zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC, 0, memory, 0, 1 << 20, &at), "mapping");
  WritePageTables(memory);
  Check(zx_vmo_write(memory, guest_code, 0x1000, (size_t)(guest_code_end - guest_code)), "code");
  Check(zx_port_create(0, &port), "port");
  Check(zx_guest_set_trap(guest, ZX_GUEST_TRAP_IO, 0x3f8, 8, 0, kSerial), "serial port");
  Check(zx_guest_set_trap(guest, ZX_GUEST_TRAP_MEM, 0x100000, 0x1000, 0, kDevice), "device");
  Check(zx_guest_set_trap(guest, ZX_GUEST_TRAP_BELL, 0x101000, 0x1000, port, kBell), "bell");
  Check(zx_guest_set_trap(guest, ZX_GUEST_TRAP_IO, 0xf4, 1, 0, kEnd), "end");
  Check(zx_vcpu_create(guest, 0, 0x1000, &vcpu), "VCPU");
  for (packet.key = 0; packet.key != kEnd;) {
    Check(zx_vcpu_resume(vcpu, &packet), "guest");
    if (packet.key == kSerial) putchar(packet.guest_io.u8);
    if (packet.key == kDevice) AnswerDevice(vcpu);
  }
  printf("it has read %u\n", packet.guest_io.u32);
  Check(zx_port_wait(port, ZX_TIME_INFINITE, &packet), "bell");
  printf("it has rung at %#llx\n", (unsigned long long)packet.guest_bell.addr);
  return 0;
}
