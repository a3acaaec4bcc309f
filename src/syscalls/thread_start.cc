// Threads that a program makes in processes, and starts.
#include <zircon/syscalls.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "arch/arch.h"
#include "object/handle_table.h"
#include "syscalls/call.h"
#include "syscalls/task_life.h"

using namespace zxctl;

namespace {

// What comes before the state of process and thread is looked at.
zx_status_t CheckThreadPointer(const Call& call, const arch::StartRegs& regs) {
  const auto refused = arch::ValidateStartRegs(regs, arch::AddressBits());
  if (!refused || refused->argument == arch::StartArgument::kPc) return ZX_OK;
  return call.FailBecause(ZX_ERR_INVALID_ARGS, refused->ToString());
}

zx_status_t Start(const Call& call, client::Thread& thread, const arch::StartRegs& regs, bool must_be_first) {
  std::string sentence;
  const zx_status_t status = thread.Start(regs, must_be_first, &sentence);
  return status == ZX_OK ? ZX_OK : call.FailBecause(status, sentence);
}

zx_status_t StartRegs(const Call& call, zx_handle_t thread, const arch::StartRegs& regs) {
  RefPtr<client::Thread> object;
  zx_status_t status = call.Object("thread", thread, ZX_RIGHT_MANAGE_THREAD, &object);
  if (status != ZX_OK) return status;
  if (status = CheckThreadPointer(call, regs); status != ZX_OK) return status;
  return Start(call, *object, regs, false);
}

// Takes a handle out of the table, whatever becomes of the call. OK and 0 for one that stands for nothing.
zx_status_t ConsumeArgument(const Call& call, zx_handle_t arg1) {
  zx_rights_t rights = 0;
  RefPtr<Dispatcher> object;
  if (call.Object("arg1", arg1, 0, &object, &rights) != ZX_OK) return ZX_OK;
  object = {};
  zx_handle_close(arg1);
  if ((rights & ZX_RIGHT_TRANSFER) == 0) {
    return call.Fail(ZX_ERR_ACCESS_DENIED, "arg1", Mistake::kMissingRight, ZX_RIGHT_TRANSFER);
  }
  return call.FailBecause(
      ZX_ERR_NOT_SUPPORTED,
      "arg1 is a handle, and a program on Linux has no table of handles to put it in: give 0, and pass "
      "numbers in arg2");
}

}  // namespace

zx_status_t zx_thread_create(zx_handle_t process, const char* name, size_t name_size, uint32_t options,
                             zx_handle_t* out) {
  const Call call("zx_thread_create");
  if (options != 0) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options);
  const size_t size = std::min<size_t>(name_size, ZX_MAX_NAME_LEN - 1);
  zx_status_t status = call.InBytes("name", name, std::max<size_t>(size, 1));
  if (status != ZX_OK) return status;
  std::array<char, ZX_MAX_NAME_LEN> copy = {};
  std::memcpy(copy.data(), name, size);
  RefPtr<client::Process> object;
  status = call.Object(
      "process", process, ZX_RIGHT_MANAGE_THREAD, [&] { return call.Out("out", out); }, &object);
  if (status != ZX_OK) return status;
  const auto made = object->CreateThread();
  if (!made) return call.FailBecause(made.error());
  (*made)->SetName(std::string_view(copy.data(), size));
  return call.Give("out", *made, client::Thread::kRights, out);
}

zx_status_t zx_thread_start(zx_handle_t thread, zx_vaddr_t pc, zx_vaddr_t sp, uintptr_t arg1, uintptr_t arg2) {
  return StartRegs(Call("zx_thread_start"), thread, {.pc = pc, .sp = sp, .arg1 = arg1, .arg2 = arg2});
}

zx_status_t zx_thread_start_regs(zx_handle_t thread, uint64_t pc, uint64_t sp, uint64_t arg1, uint64_t arg2,
                                 uint64_t tp, uint64_t abi_reg) {
  return StartRegs(Call("zx_thread_start_regs"), thread,
                   {.pc = pc, .sp = sp, .arg1 = arg1, .arg2 = arg2, .tp = tp, .abi_reg = abi_reg});
}

zx_status_t zx_process_start(zx_handle_t process, zx_handle_t thread, zx_vaddr_t pc, zx_vaddr_t sp, zx_handle_t arg1,
                             uintptr_t arg2) {
  const Call call("zx_process_start");
  RefPtr<client::Process> parent;
  RefPtr<client::Thread> first;
  zx_status_t status = call.Object("process", process, ZX_RIGHT_WRITE, &parent);
  if (status == ZX_OK) status = call.Object("thread", thread, ZX_RIGHT_WRITE, &first);
  if (status != ZX_OK) {
    // The argument is gone in any case.
    zx_handle_close(arg1);
    return status;
  }
  const bool is_its_own = first->related_koid() == parent->koid();
  if (!is_its_own) {
    zx_handle_close(arg1);
    return call.FailBecause(ZX_ERR_ACCESS_DENIED, "the thread is one of another process");
  }
  if (status = ConsumeArgument(call, arg1); status != ZX_OK) return status;
  return Start(call, *first, {.pc = pc, .sp = sp, .arg2 = arg2}, true);
}
