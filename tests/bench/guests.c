// What a program does with a guest through libzxtask, in a loop; guest_code.h has the guest:
//   bench_guests out|store COUNT     resumes a VCPU that writes to a port, or to memory where a device is
//   bench_guests in|load COUNT       the same of reads, each answered with zx_vcpu_write_state()
//   bench_guests ring COUNT          a guest rings a bell; until a thread at the port has all packets
//   bench_guests read|write COUNT    the VCPU's general registers
//   bench_guests kick COUNT          zx_vcpu_kick() of a guest that computes, until zx_vcpu_resume() has returned
//   bench_guests interrupt COUNT     zx_vcpu_interrupt() of one, until the packet of its handler's OUT is there
//   bench_guests create COUNT        a guest with memory and a VCPU, its first exit, its end
//   bench_guests compute COUNT       a guest that computes in user mode
#include <pthread.h>

#include "bench_client.h"
#include "guest_code.h"

typedef struct {
  zx_handle_t guest, space, memory, vcpu;
  zx_handle_t port;  // of the bell
} Machine;

static zx_handle_t Hypervisor(void) {
  zx_handle_t hypervisor = ZX_HANDLE_INVALID;
  Check(zxl_get_hypervisor_resource(&hypervisor), "zxl_get_hypervisor_resource");
  return hypervisor;
}

// With a device at PORT and one at DEVICE_AT: a bell if there is a port.
static void Make(zx_handle_t hypervisor, const char* image, const char* code, zx_handle_t port, Machine* out) {
  zx_vaddr_t at;
  out->port = port;
  Check(zx_guest_create(hypervisor, 0, &out->guest, &out->space), "zx_guest_create");
  Check(zx_vmo_create(MEMORY_BYTES, 0, &out->memory), "zx_vmo_create");
  Check(zx_vmar_map(out->space, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC, 0, out->memory, 0, MEMORY_BYTES,
                    &at),
        "zx_vmar_map");
  Check(zx_vmo_write(out->memory, image, 0, IMAGE_BYTES), "zx_vmo_write");
  Check(zx_guest_set_trap(out->guest, ZX_GUEST_TRAP_IO, PORT, 1, ZX_HANDLE_INVALID, 0), "zx_guest_set_trap");
  const uint32_t kind = port == ZX_HANDLE_INVALID ? ZX_GUEST_TRAP_MEM : ZX_GUEST_TRAP_BELL;
  Check(zx_guest_set_trap(out->guest, kind, DEVICE_AT, 4096, port, 0), "zx_guest_set_trap");
  Check(zx_vcpu_create(out->guest, 0, EntryOf(code), &out->vcpu), "zx_vcpu_create");
}

static Machine NewMachine(const char* code, long count, zx_handle_t port) {
  Machine machine;
  Make(Hypervisor(), Image(count), code, port, &machine);
  return machine;
}

static void Resume(zx_handle_t vcpu, uint32_t type, zx_port_packet_t* packet) {
  Check(zx_vcpu_resume(vcpu, packet), "zx_vcpu_resume");
  Require(packet->type == type, "another packet than expected");
}

// ---- exits -----------------------------------------------------------------------------------------------------------

static void Writes(long count, const char* code, uint32_t type) {
  const Machine machine = NewMachine(code, 0, ZX_HANDLE_INVALID);
  zx_port_packet_t packet;
  Resume(machine.vcpu, type, &packet);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) Resume(machine.vcpu, type, &packet);
  Report(start);
}

static uint64_t Rax(const Machine* machine) {
  zx_vcpu_state_t state;
  Check(zx_vcpu_read_state(machine->vcpu, ZX_VCPU_STATE, &state, sizeof(state)), "zx_vcpu_read_state");
  return state.rax;
}

static void Ins(long count) {
  const Machine machine = NewMachine(guest_in, 0, ZX_HANDLE_INVALID);
  zx_port_packet_t packet;
  Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_IO, &packet);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    const zx_vcpu_io_t io = {.access_size = 1, .u8 = (uint8_t)i};
    Check(zx_vcpu_write_state(machine.vcpu, ZX_VCPU_IO, &io, sizeof(io)), "zx_vcpu_write_state");
    Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_IO, &packet);
  }
  Report(start);
  Require((Rax(&machine) & 0xff) == ((count - 1) & 0xff), "the guest has read something else");
}

static void Loads(long count) {
  const Machine machine = NewMachine(guest_load, 0, ZX_HANDLE_INVALID);
  zx_port_packet_t packet;
  zx_vcpu_state_t state;
  Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_MEM, &packet);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    Check(zx_vcpu_read_state(machine.vcpu, ZX_VCPU_STATE, &state, sizeof(state)), "zx_vcpu_read_state");
    state.rax = (uint64_t)i;
    Check(zx_vcpu_write_state(machine.vcpu, ZX_VCPU_STATE, &state, sizeof(state)), "zx_vcpu_write_state");
    Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_MEM, &packet);
  }
  Report(start);
  Require(Rax(&machine) == (uint64_t)(count - 1), "the guest has read something else");
}

// ---- bells -----------------------------------------------------------------------------------------------------------

typedef struct {
  zx_handle_t port;
  long count;
} Reader;

static void* TakePackets(void* argument) {
  const Reader* reader = argument;
  zx_port_packet_t packet;
  for (long i = 0; i < reader->count; i++) Check(zx_port_wait(reader->port, ZX_TIME_INFINITE, &packet), "zx_port_wait");
  return NULL;
}

static void Ring(long count) {
  Reader reader = {.count = count / UNROLLED * UNROLLED};
  Check(zx_port_create(0, &reader.port), "zx_port_create");
  const Machine machine = NewMachine(guest_ring, count / UNROLLED, reader.port);
  zx_port_packet_t packet;
  pthread_t thread;
  Require(pthread_create(&thread, NULL, TakePackets, &reader) == 0, "pthread_create");
  const int64_t start = NowNs();
  Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_IO, &packet);
  pthread_join(thread, NULL);
  Report(start);
}

// ---- registers -------------------------------------------------------------------------------------------------------

static void Registers(long count, int write) {
  const Machine machine = NewMachine(guest_out, 0, ZX_HANDLE_INVALID);
  zx_port_packet_t packet;
  zx_vcpu_state_t state;
  Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_IO, &packet);
  Check(zx_vcpu_read_state(machine.vcpu, ZX_VCPU_STATE, &state, sizeof(state)), "zx_vcpu_read_state");
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    const zx_status_t status = write ? zx_vcpu_write_state(machine.vcpu, ZX_VCPU_STATE, &state, sizeof(state))
                                     : zx_vcpu_read_state(machine.vcpu, ZX_VCPU_STATE, &state, sizeof(state));
    Check(status, "the registers");
  }
  Report(start);
}

// ---- a guest that spins ----------------------------------------------------------------------------------------------

typedef struct {
  Machine machine;
  Turns turns;
  long count;
  int kick;
} Errand;

static uint64_t Counter(void* argument) {
  const Machine* machine = argument;
  uint64_t counter;
  Check(zx_vmo_read(machine->memory, &counter, COUNTER_AT, sizeof(counter)), "zx_vmo_read");
  return counter;
}

static void* Ask(void* argument) {
  Errand* errand = argument;
  for (long i = 0; i < errand->count; i++) {
    AwaitSpinning(Counter, &errand->machine);
    Asking(&errand->turns);
    const zx_status_t status =
        errand->kick ? zx_vcpu_kick(errand->machine.vcpu) : zx_vcpu_interrupt(errand->machine.vcpu, VECTOR);
    Check(status, "zx_vcpu_kick or zx_vcpu_interrupt");
    sem_wait(&errand->turns.come);
  }
  return NULL;
}

static void Obey(long count, int kick) {
  Errand errand = {.machine = NewMachine(guest_spin, 0, ZX_HANDLE_INVALID), .count = count, .kick = kick};
  zx_port_packet_t packet;
  pthread_t thread;
  sem_init(&errand.turns.come, 0, 0);
  Require(pthread_create(&thread, NULL, Ask, &errand) == 0, "pthread_create");
  for (long i = 0; i < count; i++) {
    const zx_status_t status = zx_vcpu_resume(errand.machine.vcpu, &packet);
    Come(&errand.turns);
    Require(status == (kick ? ZX_ERR_CANCELED : ZX_OK), "zx_vcpu_resume");
  }
  pthread_join(thread, NULL);
  ReportNs(errand.turns.ns);
}

// ---- the whole guest -------------------------------------------------------------------------------------------------

static void Create(long count) {
  const zx_handle_t hypervisor = Hypervisor();
  const char* image = Image(0);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    Machine machine;
    zx_port_packet_t packet;
    Make(hypervisor, image, guest_out, ZX_HANDLE_INVALID, &machine);
    Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_IO, &packet);
    const zx_handle_t handles[] = {machine.vcpu, machine.space, machine.memory, machine.guest};
    for (size_t h = 0; h < sizeof(handles) / sizeof(handles[0]); h++)
      Check(zx_handle_close(handles[h]), "zx_handle_close");
  }
  Report(start);
}

static void Compute(long count) {
  const Machine machine = NewMachine(guest_compute, count, ZX_HANDLE_INVALID);
  zx_port_packet_t packet;
  Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_MEM, &packet);
  const int64_t start = NowNs();
  Resume(machine.vcpu, ZX_PKT_TYPE_GUEST_MEM, &packet);
  Report(start);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "out") == 0) return Writes(count, guest_out, ZX_PKT_TYPE_GUEST_IO), 0;
  if (strcmp(mode, "store") == 0) return Writes(count, guest_store, ZX_PKT_TYPE_GUEST_MEM), 0;
  if (strcmp(mode, "in") == 0) return Ins(count), 0;
  if (strcmp(mode, "load") == 0) return Loads(count), 0;
  if (strcmp(mode, "ring") == 0) return Ring(count), 0;
  if (strcmp(mode, "read") == 0) return Registers(count, 0), 0;
  if (strcmp(mode, "write") == 0) return Registers(count, 1), 0;
  if (strcmp(mode, "kick") == 0) return Obey(count, 1), 0;
  if (strcmp(mode, "interrupt") == 0) return Obey(count, 0), 0;
  if (strcmp(mode, "create") == 0) return Create(count), 0;
  if (strcmp(mode, "compute") == 0) return Compute(count), 0;
  return 2;
}
