// The peers of the rows about guests: the least that a program does with KVM itself for the same; guest_code.h has the guest.
//   bare_kvm out|store COUNT     KVM_RUN
//   bare_kvm in|load COUNT       KVM_RUN, with what was read written to its page
//   bare_kvm ring COUNT          an ioeventfd, and a thread that waits for it and reads it
//   bare_kvm read|write COUNT    KVM_GET_REGS, KVM_SET_REGS
//   bare_kvm kick COUNT          immediate_exit and a signal, until KVM_RUN has returned
//   bare_kvm interrupt COUNT     the same, and KVM_INTERRUPT, until the exit of the handler's OUT
//   bare_kvm create COUNT        a virtual machine with memory and a VCPU, its first exit, its end
//   bare_kvm compute COUNT       no guest: the host computes the same
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "guest_code.h"

typedef struct {
  int vm, vcpu, memory_fd;
  char* memory;
  struct kvm_run* run;
  size_t run_bytes;
} Machine;

static int Ioctl(int fd, unsigned long request, void* argument, const char* what) {
  const int result = ioctl(fd, request, argument);
  Require(result >= 0, what);
  return result;
}

static int OpenKvm(void) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  Require(kvm >= 0, "/dev/kvm");
  return kvm;
}

// ---- a machine like that of the library's ------------------------------------------------------------------------------

static void SetCpuid(int kvm, int vcpu) {
  enum { kEntries = 256 };
  static union {
    struct kvm_cpuid2 list;
    char room[sizeof(struct kvm_cpuid2) + kEntries * sizeof(struct kvm_cpuid_entry2)];
  } cpuid;
  cpuid.list.nent = kEntries;
  Ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid, "KVM_GET_SUPPORTED_CPUID");
  Ioctl(vcpu, KVM_SET_CPUID2, &cpuid, "KVM_SET_CPUID2");
}

static void SetRegisters(int vcpu, uint64_t entry) {
  struct kvm_sregs sregs;
  Ioctl(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
  const struct kvm_segment data = {
      .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
  const struct kvm_segment system = {.limit = 0xffff, .type = 11, .present = 1};
  sregs.cs = (struct kvm_segment){.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
  sregs.tr = sregs.ldt = system;
  sregs.ldt.type = 2;
  sregs.gdt = sregs.idt = (struct kvm_dtable){.limit = 0xffff};
  sregs.cr0 = 0x80000031;
  sregs.cr3 = 0;
  sregs.cr4 = 0x20;
  sregs.efer = 0xd01;
  sregs.apic_base = 0xfee00d00;
  Ioctl(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
  struct kvm_regs regs = {.rip = entry, .rflags = 2};
  Ioctl(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void Make(int kvm, const char* image, const char* code, Machine* out) {
  out->vm = Ioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
  struct kvm_enable_cap msrs = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
                                .args = {KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN}};
  Ioctl(out->vm, KVM_ENABLE_CAP, &msrs, "KVM_ENABLE_CAP");
  out->memory_fd = memfd_create("guest", MFD_CLOEXEC);
  Require(out->memory_fd >= 0 && ftruncate(out->memory_fd, MEMORY_BYTES) == 0, "memfd_create");
  out->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, out->memory_fd, 0);
  Require(out->memory != MAP_FAILED, "mmap");
  struct kvm_userspace_memory_region slot = {.memory_size = MEMORY_BYTES, .userspace_addr = (uintptr_t)out->memory};
  Ioctl(out->vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
  memcpy(out->memory, image, IMAGE_BYTES);
  out->vcpu = Ioctl(out->vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
  out->run_bytes = (size_t)Ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
  out->run = mmap(NULL, out->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, out->vcpu, 0);
  Require(out->run != MAP_FAILED, "mmap");
  SetCpuid(kvm, out->vcpu);
  SetRegisters(out->vcpu, EntryOf(code));
}

static void Unmake(const Machine* machine) {
  munmap(machine->run, machine->run_bytes);
  close(machine->vcpu);
  close(machine->vm);
  munmap(machine->memory, MEMORY_BYTES);
  close(machine->memory_fd);
}

static Machine NewMachine(const char* code, long count) {
  Machine machine;
  Make(OpenKvm(), Image(count), code, &machine);
  return machine;
}

static void Run(const Machine* machine, uint32_t reason) {
  Require(ioctl(machine->vcpu, KVM_RUN, 0) == 0, "KVM_RUN");
  Require(machine->run->exit_reason == reason, "another exit than expected");
}

// ---- exits -----------------------------------------------------------------------------------------------------------

static void Writes(long count, const char* code, uint32_t reason) {
  const Machine machine = NewMachine(code, 0);
  Run(&machine, reason);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) Run(&machine, reason);
  Report(start);
}

static uint64_t Rax(const Machine* machine) {
  struct kvm_regs regs;
  Ioctl(machine->vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
  return regs.rax;
}

static void Ins(long count) {
  const Machine machine = NewMachine(guest_in, 0);
  Run(&machine, KVM_EXIT_IO);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    *((char*)machine.run + machine.run->io.data_offset) = (char)i;
    Run(&machine, KVM_EXIT_IO);
  }
  Report(start);
  Require((Rax(&machine) & 0xff) == ((count - 1) & 0xff), "the guest has read something else");
}

static void Loads(long count) {
  const Machine machine = NewMachine(guest_load, 0);
  Run(&machine, KVM_EXIT_MMIO);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    const uint32_t data = (uint32_t)i;
    memcpy(machine.run->mmio.data, &data, sizeof(data));
    Run(&machine, KVM_EXIT_MMIO);
  }
  Report(start);
  Require(Rax(&machine) == (uint64_t)(count - 1), "the guest has read something else");
}

// ---- bells -----------------------------------------------------------------------------------------------------------

typedef struct {
  int epoll, event;
  uint64_t count;
} Reader;

static void* TakeCounts(void* argument) {
  const Reader* reader = argument;
  for (uint64_t taken = 0; taken < reader->count;) {
    struct epoll_event ready;
    uint64_t count;
    Require(epoll_wait(reader->epoll, &ready, 1, -1) == 1, "epoll_wait");
    Require(read(reader->event, &count, sizeof(count)) == sizeof(count), "read");
    taken += count;
  }
  return NULL;
}

static void Ring(long count) {
  Reader reader = {.epoll = epoll_create1(EPOLL_CLOEXEC), .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  reader.count = (uint64_t)(count / UNROLLED * UNROLLED);
  const Machine machine = NewMachine(guest_ring, count / UNROLLED);
  struct kvm_ioeventfd doorbell = {.addr = DEVICE_AT, .fd = reader.event};
  struct epoll_event ready = {.events = EPOLLIN};
  Ioctl(machine.vm, KVM_IOEVENTFD, &doorbell, "KVM_IOEVENTFD");
  Require(epoll_ctl(reader.epoll, EPOLL_CTL_ADD, reader.event, &ready) == 0, "epoll_ctl");
  pthread_t thread;
  Require(pthread_create(&thread, NULL, TakeCounts, &reader) == 0, "pthread_create");
  const int64_t start = NowNs();
  Run(&machine, KVM_EXIT_IO);
  pthread_join(thread, NULL);
  Report(start);
}

// ---- registers -------------------------------------------------------------------------------------------------------

static void Registers(long count, unsigned long request) {
  const Machine machine = NewMachine(guest_out, 0);
  struct kvm_regs regs;
  Run(&machine, KVM_EXIT_IO);
  Ioctl(machine.vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) Ioctl(machine.vcpu, request, &regs, "the registers");
  Report(start);
}

// ---- a guest that spins ----------------------------------------------------------------------------------------------

typedef struct {
  Machine machine;
  Turns turns;
  long count;
  pid_t owner;
  _Atomic int pending;
} Errand;

static void DoNothing(int signo) { (void)signo; }

static uint64_t Counter(void* argument) {
  const Machine* machine = argument;
  return *(volatile uint64_t*)(machine->memory + COUNTER_AT);
}

static void* Ask(void* argument) {
  Errand* errand = argument;
  for (long i = 0; i < errand->count; i++) {
    AwaitSpinning(Counter, &errand->machine);
    Asking(&errand->turns);
    atomic_store(&errand->pending, 1);
    __atomic_store_n(&errand->machine.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    Require(syscall(SYS_tgkill, getpid(), errand->owner, SIGRTMAX) == 0, "tgkill");
    sem_wait(&errand->turns.come);
  }
  return NULL;
}

// Until the other thread has brought it out.
static void RunUntilAsked(Errand* errand) {
  do {
    Require(ioctl(errand->machine.vcpu, KVM_RUN, 0) < 0 && errno == EINTR, "KVM_RUN");
    __atomic_store_n(&errand->machine.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
  } while (!atomic_exchange(&errand->pending, 0));
}

// The guest has its interrupts on while it spins.
static void Interrupt(const Machine* machine) {
  struct kvm_interrupt interrupt = {.irq = VECTOR};
  Require(machine->run->ready_for_interrupt_injection && machine->run->if_flag, "the guest takes no interrupt");
  Ioctl(machine->vcpu, KVM_INTERRUPT, &interrupt, "KVM_INTERRUPT");
  Run(machine, KVM_EXIT_IO);
}

static void Obey(long count, int kick) {
  Errand errand = {.machine = NewMachine(guest_spin, 0), .count = count, .owner = (pid_t)syscall(SYS_gettid)};
  const struct sigaction action = {.sa_handler = DoNothing, .sa_flags = SA_RESTART};
  pthread_t thread;
  Require(sigaction(SIGRTMAX, &action, NULL) == 0, "sigaction");
  sem_init(&errand.turns.come, 0, 0);
  Require(pthread_create(&thread, NULL, Ask, &errand) == 0, "pthread_create");
  for (long i = 0; i < count; i++) {
    RunUntilAsked(&errand);
    if (!kick) Interrupt(&errand.machine);
    Come(&errand.turns);
  }
  pthread_join(thread, NULL);
  ReportNs(errand.turns.ns);
}

// ---- the whole guest -------------------------------------------------------------------------------------------------

static void Create(long count) {
  const int kvm = OpenKvm();
  const char* image = Image(0);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    Machine machine;
    Make(kvm, image, guest_out, &machine);
    Run(&machine, KVM_EXIT_IO);
    Unmake(&machine);
  }
  Report(start);
}

static void Compute(long count) {
  const int64_t start = NowNs();
  guest_work((uint64_t)count);
  Report(start);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "out") == 0) return Writes(count, guest_out, KVM_EXIT_IO), 0;
  if (strcmp(mode, "store") == 0) return Writes(count, guest_store, KVM_EXIT_MMIO), 0;
  if (strcmp(mode, "in") == 0) return Ins(count), 0;
  if (strcmp(mode, "load") == 0) return Loads(count), 0;
  if (strcmp(mode, "ring") == 0) return Ring(count), 0;
  if (strcmp(mode, "read") == 0) return Registers(count, KVM_GET_REGS), 0;
  if (strcmp(mode, "write") == 0) return Registers(count, KVM_SET_REGS), 0;
  if (strcmp(mode, "kick") == 0) return Obey(count, 1), 0;
  if (strcmp(mode, "interrupt") == 0) return Obey(count, 0), 0;
  if (strcmp(mode, "create") == 0) return Create(count), 0;
  if (strcmp(mode, "compute") == 0) return Compute(count), 0;
  return 2;
}
