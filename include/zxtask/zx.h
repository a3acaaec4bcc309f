// Handles as C++ objects, C++17 and later. Each owns one handle and closes it; each method is the C call of the same name,
// with its status, and its page in docs/api/ holds. There is nothing in a library behind this: it is all here.
//
// An object may be moved, not copied: duplicate() makes a second handle. Using one object in several threads at once is
// fine as long as none of them changes which handle it owns. What a method gives goes to `out`, which loses what it had,
// also when the call fails; it may be the object itself. `out` is not null unless it says optional.
#ifndef ZXTASK_ZX_H_
#define ZXTASK_ZX_H_

#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <utility>

namespace zx {

class Port;

// Any handle. 0 (ZX_HANDLE_INVALID) is none.
class Handle {
 public:
  constexpr Handle() = default;
  // Takes over the handle.
  explicit constexpr Handle(zx_handle_t value) : value_(value) {}
  Handle(Handle&& other) noexcept : value_(other.release()) {}
  Handle& operator=(Handle&& other) noexcept {
    reset(other.release());
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }

  [[nodiscard]] zx_handle_t get() const { return value_; }
  [[nodiscard]] bool is_valid() const { return value_ != ZX_HANDLE_INVALID; }
  explicit operator bool() const { return is_valid(); }
  // Closes what is owned, and takes over `value`. The handle that is owned already is kept.
  void reset(zx_handle_t value = ZX_HANDLE_INVALID) {
    if (value == value_) return;
    close();
    value_ = value;
  }
  // Gives the handle to the caller, who closes it.
  [[nodiscard]] zx_handle_t release() { return std::exchange(value_, ZX_HANDLE_INVALID); }
  void swap(Handle& other) noexcept { std::swap(value_, other.value_); }

  zx_status_t get_info(uint32_t topic, void* buffer, size_t size, size_t* actual = nullptr,
                       size_t* avail = nullptr) const {
    return zx_object_get_info(value_, topic, buffer, size, actual, avail);
  }
  zx_status_t get_property(uint32_t property, void* value, size_t size) const {
    return zx_object_get_property(value_, property, value, size);
  }
  zx_status_t set_property(uint32_t property, const void* value, size_t size) const {
    return zx_object_set_property(value_, property, value, size);
  }
  zx_status_t signal(uint32_t clear_mask, uint32_t set_mask) const {
    return zx_object_signal(value_, clear_mask, set_mask);
  }
  // `observed` is optional.
  zx_status_t wait_one(zx_signals_t signals, zx_time_t deadline, zx_signals_t* observed = nullptr) const {
    return zx_object_wait_one(value_, signals, deadline, observed);
  }
  inline zx_status_t wait_async(const Port& port, uint64_t key, zx_signals_t signals, uint32_t options) const;

 protected:
  // Runs `call(zx_handle_t*)`, and gives what it made to `out`.
  template <typename T, typename F>
  static zx_status_t make(T* out, F call) {
    zx_handle_t made = ZX_HANDLE_INVALID;
    const zx_status_t status = call(&made);
    out->reset(made);
    return status;
  }

 private:
  void close() {
    if (is_valid()) zx_handle_close(value_);
  }

  zx_handle_t value_ = ZX_HANDLE_INVALID;
};

// What handles to objects of one kind have in common; T is that kind.
template <typename T>
class Object : public Handle {
 public:
  using Handle::Handle;

  zx_status_t duplicate(zx_rights_t rights, T* out) const {
    return make(out, [&](zx_handle_t* made) { return zx_handle_duplicate(get(), rights, made); });
  }
  // This object owns no handle afterwards, whatever the status: the call has closed it.
  zx_status_t replace(zx_rights_t rights, T* out) {
    return make(out, [&](zx_handle_t* made) { return zx_handle_replace(release(), rights, made); });
  }
};

// A handle that somebody else owns, and closes, as a T: *unowned and unowned-> are used like one.
template <typename T>
class Unowned {
 public:
  explicit Unowned(zx_handle_t value) : object_(value) {}
  explicit Unowned(const T& owner) : Unowned(owner.get()) {}
  Unowned(const Unowned& other) : Unowned(other.object_.get()) {}
  Unowned& operator=(const Unowned& other) {
    const zx_handle_t value = other.object_.get();
    static_cast<void>(object_.release());
    object_.reset(value);
    return *this;
  }
  ~Unowned() { static_cast<void>(object_.release()); }

  const T& operator*() const { return object_; }
  const T* operator->() const { return &object_; }

 private:
  T object_;
};

class Port final : public Object<Port> {
 public:
  using Object::Object;

  static zx_status_t create(uint32_t options, Port* out) {
    return make(out, [&](zx_handle_t* made) { return zx_port_create(options, made); });
  }
  zx_status_t queue(const zx_port_packet_t* packet) const { return zx_port_queue(get(), packet); }
  zx_status_t wait(zx_time_t deadline, zx_port_packet_t* packet) const { return zx_port_wait(get(), deadline, packet); }
  zx_status_t cancel(const Handle& source, uint64_t key) const { return zx_port_cancel(get(), source.get(), key); }
  // The port owns the descriptor.
  zx_status_t get_fd(int* out_fd) const { return zxl_port_get_fd(get(), out_fd); }
};

inline zx_status_t Handle::wait_async(const Port& port, uint64_t key, zx_signals_t signals, uint32_t options) const {
  return zx_object_wait_async(value_, port.get(), key, signals, options);
}

// Keeps a task suspended until it is reset or destroyed.
class SuspendToken final : public Object<SuspendToken> {
 public:
  using Object::Object;
};

// What threads, processes and jobs have in common.
template <typename T>
class Task : public Object<T> {
 public:
  using Object<T>::Object;

  zx_status_t kill() const { return zx_task_kill(this->get()); }
  zx_status_t bind_exception_port(const Port& port, uint64_t key, uint32_t options) const {
    return zx_task_bind_exception_port(this->get(), port.get(), key, options);
  }
  // With a lease, and with the options that Linux adds.
  zx_status_t bind_exception_port(const Port& port, uint64_t key, uint32_t options, int64_t lease_ns) const {
    return zxl_task_bind_exception_port(this->get(), port.get(), key, options, lease_ns);
  }
  zx_status_t unbind_exception_port(uint32_t options) const {
    return zx_task_bind_exception_port(this->get(), ZX_HANDLE_INVALID, 0, options);
  }
};

class Job final : public Task<Job> {
 public:
  using Task::Task;

  static zx_status_t create(const Job& parent, uint32_t options, Job* out) {
    return make(out, [&](zx_handle_t* made) { return zx_job_create(parent.get(), options, made); });
  }
  // The job that everything of this program belongs to.
  [[nodiscard]] static Unowned<Job> default_job() { return Unowned<Job>(zx_job_default()); }
  // A child by its number: a process or a job, as the caller knows.
  template <typename T>
  zx_status_t get_child(zx_koid_t koid, zx_rights_t rights, T* out) const {
    return make(out, [&](zx_handle_t* made) { return zx_object_get_child(get(), koid, rights, made); });
  }
};

class Thread final : public Task<Thread> {
 public:
  using Task::Task;

  // `parent` is a Process.
  template <typename P>
  static zx_status_t create(const P& parent, const char* name, size_t name_size, uint32_t options, Thread* out) {
    return make(out, [&](zx_handle_t* made) { return zx_thread_create(parent.get(), name, name_size, options, made); });
  }
  zx_status_t start(zx_vaddr_t pc, zx_vaddr_t sp, uintptr_t arg1, uintptr_t arg2) const {
    return zx_thread_start(get(), pc, sp, arg1, arg2);
  }
  zx_status_t start_regs(uint64_t pc, uint64_t sp, uint64_t arg1, uint64_t arg2, uint64_t tp, uint64_t abi_reg) const {
    return zx_thread_start_regs(get(), pc, sp, arg1, arg2, tp, abi_reg);
  }
  zx_status_t suspend(SuspendToken* out) const {
    return make(out, [&](zx_handle_t* made) { return zx_task_suspend(get(), made); });
  }
  zx_status_t resume(uint32_t options) const { return zx_task_resume(get(), options); }
  zx_status_t resume_from_exception(const Port& port, uint32_t options) const {
    return zx_task_resume_from_exception(get(), port.get(), options);
  }
  zx_status_t read_state(uint32_t kind, void* buffer, size_t size) const {
    return zx_thread_read_state(get(), kind, buffer, size);
  }
  zx_status_t write_state(uint32_t kind, const void* buffer, size_t size) const {
    return zx_thread_write_state(get(), kind, buffer, size);
  }
  zx_status_t get_exception(zxl_exception_info_t* out_info) const { return zxl_thread_get_exception(get(), out_info); }
  // Its Linux thread id.
  zx_status_t get_pid(int32_t* out_tid) const { return zxl_task_get_pid(get(), out_tid); }
};

class Process final : public Task<Process> {
 public:
  using Task::Task;

  // `out_thread` is optional.
  static zx_status_t spawn(const Job& job, const zxl_spawn_args_t& args, Process* out_process,
                           Thread* out_thread = nullptr) {
    zx_handle_t thread = ZX_HANDLE_INVALID;
    const zx_status_t status = make(out_process, [&](zx_handle_t* made) {
      return zxl_process_spawn(job.get(), &args, made, out_thread == nullptr ? nullptr : &thread);
    });
    if (out_thread != nullptr) out_thread->reset(thread);
    return status;
  }
  static zx_status_t attach(const Job& job, int32_t pid, uint32_t options, Process* out) {
    return make(out, [&](zx_handle_t* made) { return zxl_process_attach(job.get(), pid, options, made); });
  }
  zx_status_t start() const { return zxl_process_start(get()); }
  zx_status_t start(const Thread& first, zx_vaddr_t pc, zx_vaddr_t sp, zx_handle_t arg1, uintptr_t arg2) const {
    return zx_process_start(get(), first.get(), pc, sp, arg1, arg2);
  }
  zx_status_t detach() const { return zxl_process_detach(get()); }
  zx_status_t suspend(SuspendToken* out) const {
    return make(out, [&](zx_handle_t* made) { return zx_task_suspend(get(), made); });
  }
  zx_status_t read_memory(uint64_t address, void* buffer, size_t size, size_t* actual) const {
    return zx_process_read_memory(get(), address, buffer, size, actual);
  }
  zx_status_t write_memory(uint64_t address, const void* buffer, size_t size, size_t* actual) const {
    return zx_process_write_memory(get(), address, buffer, size, actual);
  }
  // A thread by its number.
  zx_status_t get_child(zx_koid_t koid, zx_rights_t rights, Thread* out) const {
    return make(out, [&](zx_handle_t* made) { return zx_object_get_child(get(), koid, rights, made); });
  }
  // Its Linux process id.
  zx_status_t get_pid(int32_t* out_pid) const { return zxl_task_get_pid(get(), out_pid); }
  // As waitpid gives it.
  zx_status_t get_wait_status(int32_t* out_status) const { return zxl_process_get_wait_status(get(), out_status); }
};

}  // namespace zx

#endif  // ZXTASK_ZX_H_
