// Guests and their VCPUs.
#include "vcpu/guest.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "syscalls/call.h"
#include "syscalls/guest_call.h"
#include "vcpu/linux_kvm.h"
#include "vcpu/vcpu.h"

using namespace zxctl;

namespace {

// Null and unwritable ones, before anything has happened. getcpu(2) is the cheapest call that lets the kernel write two words
// wherever they are: the first and the last of the packet.
zx_status_t CheckPacket(const Call& call, zx_port_packet_t* packet) {
  if (packet == nullptr) return call.Fail(ZX_ERR_INVALID_ARGS, "packet", Mistake::kNullPointer);
  const auto address = reinterpret_cast<uintptr_t>(packet);
  if (address % alignof(zx_port_packet_t) != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "packet", Mistake::kMisalignedPointer);
  }
  if (Vcpu::IsOnOwnStack(packet, sizeof(*packet))) return ZX_OK;
  auto* const words = reinterpret_cast<uint32_t*>(packet);
  // Whatever else it fails with is a filter's.
  if (syscall(SYS_getcpu, words, words + sizeof(*packet) / sizeof(*words) - 1, nullptr) == 0 || errno != EFAULT)
    return ZX_OK;
  return call.FailBecause(ZX_ERR_INVALID_ARGS,
                          fmt::format("packet points to {:#x}, where this program cannot write", address));
}

zx_status_t CheckOwner(const Call& call, const Vcpu& vcpu) {
  if (vcpu.IsForked()) return call.FailBecause(ZX_ERR_BAD_STATE, GuestMachine::kForkedSentence);
  if (vcpu.IsMine()) return ZX_OK;
  return call.FailBecause(ZX_ERR_BAD_STATE,
                          "a VCPU is its maker's: only the thread that called zx_vcpu_create() may do this");
}

zx_status_t CheckStateKind(const Call& call, uint32_t kind, size_t size, size_t wanted) {
  if (wanted == 0) {
    return call.FailBecause(ZX_ERR_INVALID_ARGS,
                            fmt::format("kind is {}, which is no state that can be had this way", kind));
  }
  return size == wanted ? ZX_OK : call.Fail(ZX_ERR_INVALID_ARGS, "buffer", Mistake::kBufferTooSmall, size, wanted);
}

}  // namespace

zx_status_t zxl_get_hypervisor_resource(zx_handle_t* out_resource) {
  const Call call("zxl_get_hypervisor_resource");
  if (const zx_status_t status = call.Out("out_resource", out_resource); status != ZX_OK) return status;
  auto kvm = OpenKvm();
  if (!kvm) return call.FailBecause(kvm.error());
  auto resource = MakeRefCounted<HypervisorResource>(std::move(*kvm));
  if (!resource) return call.Fail(ZX_ERR_NO_MEMORY, "the resource", Mistake::kNoMemory);
  return call.Give("the resource", std::move(resource), HypervisorResource::kRights, out_resource);
}

zx_status_t zx_guest_create(zx_handle_t resource, uint32_t options, zx_handle_t* guest_handle,
                            zx_handle_t* vmar_handle) {
  const Call call("zx_guest_create");
  if (options != 0) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options);
  RefPtr<HypervisorResource> hypervisor;
  zx_status_t status = call.Object("resource", resource, 0, &hypervisor);
  if (status == ZX_OK) status = call.Out("guest_handle", guest_handle);
  if (status == ZX_OK) status = call.Out("vmar_handle", vmar_handle);
  if (status != ZX_OK) return status;
  auto machine = GuestMachine::Create(hypervisor->kvm());
  if (!machine) return call.FailBecause(machine.error());
  auto guest = MakeRefCounted<Guest>(*machine);
  auto vmar = MakeRefCounted<Vmar>(*machine);
  if (!guest || !vmar) return call.Fail(ZX_ERR_NO_MEMORY, "the guest", Mistake::kNoMemory);
  zx_handle_t made = ZX_HANDLE_INVALID;
  zx_handle_t space = ZX_HANDLE_INVALID;
  status = call.Give("the guest", std::move(guest), Guest::kRights, &made);
  if (status != ZX_OK) return status;
  status = call.Give("the VMAR", std::move(vmar), Vmar::kRights, &space);
  if (status != ZX_OK) return zx_handle_close(made), status;
  *guest_handle = made;
  *vmar_handle = space;
  return ZX_OK;
}

zx_status_t zx_guest_set_trap(zx_handle_t handle, uint32_t kind, zx_vaddr_t addr, size_t size, zx_handle_t port_handle,
                              uint64_t key) {
  const Call call("zx_guest_set_trap");
  RefPtr<Guest> guest;
  RefPtr<Port> port;
  zx_status_t status = call.Object("handle", handle, ZX_RIGHT_WRITE, &guest);
  if (status == ZX_OK && port_handle != ZX_HANDLE_INVALID) {
    status = call.Object("port_handle", port_handle, ZX_RIGHT_WRITE, &port);
  }
  if (status == ZX_OK) status = CheckNotForked(call, *guest->machine());
  if (status != ZX_OK) return status;
  status = TrapMap::Check(kind, addr, size, static_cast<bool>(port));
  if (status != ZX_OK)
    return call.FailBecause(status, TrapMap::Explain(status, kind, addr, size, static_cast<bool>(port)));
  const auto set = guest->machine()->SetTrap({.kind = kind, .address = addr, .size = size, .key = key}, port);
  return set ? ZX_OK : call.FailBecause(set.error());
}

zx_status_t zx_vcpu_create(zx_handle_t guest, uint32_t options, zx_vaddr_t entry, zx_handle_t* out) {
  const Call call("zx_vcpu_create");
  if (options != 0) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options);
  RefPtr<Guest> object;
  zx_status_t status = call.Object(
      "guest", guest, ZX_RIGHT_MANAGE_PROCESS, [&] { return call.Out("out", out); }, &object);
  if (status == ZX_OK) status = CheckNotForked(call, *object->machine());
  if (status != ZX_OK) return status;
  auto vcpu = Vcpu::Create(object->machine(), entry);
  if (!vcpu) return call.FailBecause(vcpu.error());
  return call.Give("out", std::move(*vcpu), Vcpu::kRights, out);
}

zx_status_t zx_vcpu_resume(zx_handle_t vcpu, zx_port_packet_t* packet) {
  const Call call("zx_vcpu_resume");
  RefPtr<Vcpu> object;
  zx_status_t status = call.Object(
      "vcpu", vcpu, ZX_RIGHT_EXECUTE, [&] { return CheckPacket(call, packet); }, &object);
  if (status == ZX_OK) status = CheckOwner(call, *object);
  if (status != ZX_OK) return status;
  status = object->Resume(packet);
  return status == ZX_OK ? ZX_OK : call.FailBecause(status, object->why());
}

zx_status_t zx_vcpu_enter(zx_handle_t vcpu, zx_port_packet_t* packet) { return zx_vcpu_resume(vcpu, packet); }

zx_status_t zx_vcpu_interrupt(zx_handle_t vcpu, uint32_t vector) {
  const Call call("zx_vcpu_interrupt");
  RefPtr<Vcpu> object;
  const zx_status_t status = call.Object("vcpu", vcpu, ZX_RIGHT_SIGNAL, &object);
  if (status != ZX_OK) return status;
  if (vector >= InterruptSet::kVectors) {
    return call.FailBecause(ZX_ERR_OUT_OF_RANGE,
                            fmt::format("vector is {}: there are {}", vector, InterruptSet::kVectors));
  }
  if (object->IsForked()) return call.FailBecause(ZX_ERR_BAD_STATE, GuestMachine::kForkedSentence);
  object->Interrupt(vector);
  return ZX_OK;
}

zx_status_t zx_vcpu_kick(zx_handle_t vcpu) {
  const Call call("zx_vcpu_kick");
  RefPtr<Vcpu> object;
  const zx_status_t status = call.Object("vcpu", vcpu, ZX_RIGHT_EXECUTE, &object);
  if (status != ZX_OK) return status;
  if (object->IsForked()) return call.FailBecause(ZX_ERR_BAD_STATE, GuestMachine::kForkedSentence);
  object->Kick();
  return ZX_OK;
}

zx_status_t zx_vcpu_read_state(zx_handle_t vcpu, uint32_t kind, void* buffer, size_t size) {
  const Call call("zx_vcpu_read_state");
  RefPtr<Vcpu> object;
  const auto check = [&]() -> zx_status_t {
    const size_t wanted = kind == ZX_VCPU_STATE ? sizeof(zx_vcpu_state_t) : 0;
    const zx_status_t fits = CheckStateKind(call, kind, size, wanted);
    return fits == ZX_OK ? call.OutBytes("buffer", buffer, size, alignof(uint64_t)) : fits;
  };
  zx_status_t status = call.Object("vcpu", vcpu, ZX_RIGHT_READ, check, &object);
  if (status == ZX_OK) status = CheckOwner(call, *object);
  if (status != ZX_OK) return status;
  object->ReadState(static_cast<zx_vcpu_state_t*>(buffer));
  return ZX_OK;
}

zx_status_t zx_vcpu_write_state(zx_handle_t vcpu, uint32_t kind, const void* buffer, size_t size) {
  const Call call("zx_vcpu_write_state");
  RefPtr<Vcpu> object;
  const auto check = [&]() -> zx_status_t {
    const size_t io = arch::kHasIoPorts ? sizeof(zx_vcpu_io_t) : 0;
    const size_t wanted = kind == ZX_VCPU_STATE ? sizeof(zx_vcpu_state_t) : kind == ZX_VCPU_IO ? io : 0;
    const zx_status_t fits = CheckStateKind(call, kind, size, wanted);
    return fits == ZX_OK ? call.InBytes("buffer", buffer, size) : fits;
  };
  zx_status_t status = call.Object("vcpu", vcpu, ZX_RIGHT_WRITE, check, &object);
  if (status == ZX_OK) status = CheckOwner(call, *object);
  if (status != ZX_OK) return status;
  if (kind == ZX_VCPU_STATE) {
    zx_vcpu_state_t state;
    std::memcpy(&state, buffer, sizeof(state));
    object->WriteState(state);
    return ZX_OK;
  }
  zx_vcpu_io_t io;
  std::memcpy(&io, buffer, sizeof(io));
  if (object->WriteIo(io)) return ZX_OK;
  return call.FailBecause(ZX_ERR_INVALID_ARGS, fmt::format("access_size is {}: it can be 1, 2 or 4", io.access_size));
}

zx_status_t zxl_vcpu_get_exit_info(zx_handle_t vcpu, zxl_vcpu_exit_info_t* out_info) {
  const Call call("zxl_vcpu_get_exit_info");
  RefPtr<Vcpu> object;
  const zx_status_t status = call.Object(
      "vcpu", vcpu, ZX_RIGHT_READ, [&] { return call.Out("out_info", out_info); }, &object);
  if (status != ZX_OK) return status;
  const auto info = object->ExitInfo();
  if (!info)
    return call.FailBecause(ZX_ERR_BAD_STATE, "no zx_vcpu_resume() of it has failed for something that the guest did");
  *out_info = *info;
  return ZX_OK;
}
