// What every entry point does with its arguments: look at them in the order that the interface promises, and note what
// is wrong with them.
#pragma once

#include <zircon/rights.h>
#include <zircon/types.h>

#include <concepts>
#include <cstddef>
#include <utility>

#include "base/status.h"
#include "object/dispatcher.h"
#include "object/handle_table.h"
#include "object/root.h"
#include "syscalls/mistake.h"

namespace zxctl {

class Call {
 public:
  // The name of the entry point.
  explicit constexpr Call(const char* name) : name_(name) {}

  zx_status_t Fail(zx_status_t status, const char* argument, Mistake mistake, uint64_t a = 0, uint64_t b = 0) const {
    return NoteMistake(status, name_, argument, mistake, a, b);
  }

  // A failure that somebody else has put into words.
  zx_status_t FailBecause(zx_status_t status, std::string_view sentence) const {
    return NoteSentence(status, name_, sentence);
  }
  zx_status_t FailBecause(const Status& status) const { return FailBecause(status.zx, status.ToString()); }

  // The object of a handle: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED. `rights` is what the handle must have; what it has goes
  // to `out_rights`.
  template <typename T>
  zx_status_t Object(const char* argument, zx_handle_t handle, zx_rights_t rights, RefPtr<T>* out,
                     zx_rights_t* out_rights = nullptr) const {
    HandleTable::Entry entry = Root::Get().handles().Find(handle);
    if (!entry.object) return Fail(ZX_ERR_BAD_HANDLE, argument, Mistake::kBadHandle, handle);
    if constexpr (!std::same_as<T, Dispatcher>) {
      const zx_obj_type_t type = entry.object->type();
      if (type != T::kType) return Fail(ZX_ERR_WRONG_TYPE, argument, Mistake::kWrongType, type, T::kType);
    }
    if (out_rights != nullptr) *out_rights = entry.rights;
    *out = RefPtr<T>::Adopt(static_cast<T*>(entry.object.Leak()));
    return Rights(argument, **out, entry.rights, rights);
  }
  // As Object(), with `memory` looking at the caller's memory between the checks and the taking of the object: that may fault,
  // and a program that jumps away from there leaves no reference behind. Holds for every look at memory.
  template <typename T, std::invocable F>
  zx_status_t Object(const char* argument, zx_handle_t handle, zx_rights_t rights, F memory, RefPtr<T>* out) const {
    zx_status_t status = Check<T>(argument, handle, rights);
    if (status != ZX_OK) return status;
    if (status = memory(); status != ZX_OK) return status;
    return Object(argument, handle, rights, out);
  }
  template <typename T>
  zx_status_t Check(const char* argument, zx_handle_t handle, zx_rights_t rights,
                    zx_rights_t* out_rights = nullptr) const {
    RefPtr<T> object;
    return Object(argument, handle, rights, &object, out_rights);
  }
  // ACCESS_DENIED when `have`, which a handle to the object has, lacks something of `need`.
  zx_status_t Rights(const char* argument, const Dispatcher& object, zx_rights_t have, zx_rights_t need) const {
    const zx_rights_t missing = need & ~have;
    if (missing == 0) return ZX_OK;
    return Fail(ZX_ERR_ACCESS_DENIED, argument, Mistake::kMissingRight, missing, object.type());
  }
  // An object for zx_object_wait_*(): BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED.
  zx_status_t Waitable(const char* argument, zx_handle_t handle, RefPtr<Dispatcher>* out) const;

  // INVALID_ARGS for null, misaligned and kernel addresses. Any other bad one faults here, before anything has changed.
  template <typename T>
  zx_status_t In(const char* argument, const T* pointer, size_t count = 1) const {
    return Memory(argument, pointer, count * sizeof(T), alignof(T), Access::kRead);
  }
  template <typename T>
  zx_status_t Out(const char* argument, T* pointer, size_t count = 1) const {
    return Memory(argument, pointer, count * sizeof(T), alignof(T), Access::kWrite);
  }
  template <typename T>
  zx_status_t OptionalOut(const char* argument, T* pointer) const {
    return pointer == nullptr ? ZX_OK : Out(argument, pointer);
  }
  zx_status_t InBytes(const char* argument, const void* pointer, size_t size) const {
    return Memory(argument, pointer, size, 1, Access::kRead);
  }
  zx_status_t OutBytes(const char* argument, void* pointer, size_t size, size_t alignment) const {
    return Memory(argument, pointer, size, alignment, Access::kWrite);
  }

  // A handle to an object that this call made or found.
  zx_status_t Give(const char* argument, RefPtr<Dispatcher> object, zx_rights_t rights, zx_handle_t* out) const;
  // The statuses of HandleTable::Add(); others as they are.
  zx_status_t NoHandle(const char* argument, zx_status_t status) const;

 private:
  enum class Access : uint8_t { kRead, kWrite };

  zx_status_t Memory(const char* argument, const void* pointer, size_t size, size_t alignment, Access access) const;

  const char* name_;
};

}  // namespace zxctl
