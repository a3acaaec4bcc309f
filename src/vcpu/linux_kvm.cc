#include "vcpu/linux_kvm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "arch/guest.h"
#include "base/unique_fd.h"

namespace zxctl {
namespace {

int Request(const UniqueFd& fd, unsigned long request, void* argument) {
  return ioctl(fd.get(), request, argument) < 0 ? errno : 0;
}

class LinuxVcpu final : public KvmVcpu {
 public:
  LinuxVcpu(UniqueFd fd, void* page, size_t bytes) : fd_(std::move(fd)), page_(page), bytes_(bytes) {}
  ~LinuxVcpu() override { munmap(page_, bytes_); }
  LinuxVcpu(const LinuxVcpu&) = delete;
  LinuxVcpu& operator=(const LinuxVcpu&) = delete;

  kvm_run& page() override { return *static_cast<kvm_run*>(page_); }
  int Run() override { return Request(fd_, KVM_RUN, nullptr); }
  int Control(unsigned long request, void* argument) override { return Request(fd_, request, argument); }

 private:
  UniqueFd fd_;
  void* page_;
  size_t bytes_;
};

class LinuxDevice final : public KvmDevice {
 public:
  explicit LinuxDevice(UniqueFd fd) : fd_(std::move(fd)) {}

  int Set(uint32_t group, uint64_t attribute, const void* value) override {
    kvm_device_attr one = {.group = group, .attr = attribute, .addr = reinterpret_cast<uintptr_t>(value)};
    return Request(fd_, KVM_SET_DEVICE_ATTR, &one);
  }
  int Get(uint32_t group, uint64_t attribute, void* value) override {
    kvm_device_attr one = {.group = group, .attr = attribute, .addr = reinterpret_cast<uintptr_t>(value)};
    return Request(fd_, KVM_GET_DEVICE_ATTR, &one);
  }

 private:
  UniqueFd fd_;
};

class LinuxVm final : public KvmVm {
 public:
  LinuxVm(UniqueFd fd, size_t page_bytes) : fd_(std::move(fd)), page_bytes_(page_bytes) {}

  int CreateVcpu(uint32_t id, std::unique_ptr<KvmVcpu>* out) override {
    const std::lock_guard lock(lock_);
    UniqueFd& vcpu = unmapped_[id];
    if (!vcpu.valid()) vcpu.Reset(ioctl(fd_.get(), KVM_CREATE_VCPU, id));
    if (!vcpu.valid()) return errno;
    void* page = mmap(nullptr, page_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.get(), 0);
    if (page == MAP_FAILED) return errno;
    // A forked child can do nothing with it.
    madvise(page, page_bytes_, MADV_DONTFORK);
    *out = std::make_unique<LinuxVcpu>(std::move(vcpu), page, page_bytes_);
    unmapped_.erase(id);
    return 0;
  }
  int SetMemory(const kvm_userspace_memory_region& slot) override {
    kvm_userspace_memory_region copy = slot;
    return Request(fd_, KVM_SET_USER_MEMORY_REGION, &copy);
  }
  int SetDoorbell(const kvm_ioeventfd& doorbell) override {
    kvm_ioeventfd copy = doorbell;
    return Request(fd_, KVM_IOEVENTFD, &copy);
  }
  int CreateDevice(uint32_t type, std::unique_ptr<KvmDevice>* out) override {
    kvm_create_device made = {.type = type};
    if (const int error = Request(fd_, KVM_CREATE_DEVICE, &made); error != 0) return error;
    *out = std::make_unique<LinuxDevice>(UniqueFd(static_cast<int>(made.fd)));
    return 0;
  }
  int Control(unsigned long request, void* argument) override { return Request(fd_, request, argument); }

 private:
  UniqueFd fd_;
  size_t page_bytes_;
  std::mutex lock_;
  // Those that there was no address space for: KVM has them for ever, and makes no second one with their number.
  std::map<uint32_t, UniqueFd> unmapped_;  // lock_
};

class LinuxKvm final : public Kvm {
 public:
  LinuxKvm(UniqueFd fd, size_t page_bytes) : fd_(std::move(fd)), page_bytes_(page_bytes) {}

  int Extension(int capability) override {
    const int answer = ioctl(fd_.get(), KVM_CHECK_EXTENSION, capability);
    return answer < 0 ? 0 : answer;
  }
  int CreateVm(std::unique_ptr<KvmVm>* out) override {
    UniqueFd vm(ioctl(fd_.get(), KVM_CREATE_VM, arch::VmType(*this)));
    if (!vm.valid()) return errno;
    *out = std::make_unique<LinuxVm>(std::move(vm), page_bytes_);
    return 0;
  }
  int Control(unsigned long request, void* argument) override { return Request(fd_, request, argument); }

 private:
  UniqueFd fd_;
  size_t page_bytes_;
};

std::string WhyNot(const char* path, int error) {
  switch (error) {
    case ENOENT:
      return fmt::format("there is no {}: {}, or, within a virtual machine, ask its owner for nested virtualization",
                         path, arch::kHowToHaveKvm);
    case EACCES:
    case EPERM:
      return fmt::format("{} may not be opened: add the user to the group kvm, or run as root", path);
    default:
      return fmt::format("{} cannot be opened", path);
  }
}

}  // namespace

Result<void> CheckKvm(Kvm& kvm) {
  const std::string missing = arch::MissingForGuests(kvm);
  if (missing.empty()) return {};
  return Fail(Status{.zx = ZX_ERR_NOT_SUPPORTED,
                     .what = fmt::format("KVM here lacks {}: a kernel since 5.10 has it on most machines", missing)});
}

Result<std::shared_ptr<Kvm>> OpenKvm(const char* path) {
  if (!arch::kHasGuests) {
    return Fail(
        Status{.zx = ZX_ERR_NOT_SUPPORTED, .what = "there are no guests on this machine: x86-64 and arm64 have them"});
  }
  UniqueFd fd(open(path, O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    Status status = Status::FromErrno(WhyNot(path, error), error);
    const bool ran_out = error == EMFILE || error == ENFILE || error == ENOMEM;
    if (!ran_out) status.zx = ZX_ERR_NOT_SUPPORTED;
    return Fail(std::move(status));
  }
  constexpr int kStableVersion = 12;
  const int version = ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  const int page_bytes = ioctl(fd.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (version != kStableVersion || page_bytes < static_cast<int>(sizeof(kvm_run))) {
    return Fail(
        Status{.zx = ZX_ERR_NOT_SUPPORTED, .what = fmt::format("{} is not the KVM of a kernel since 2.6.22", path)});
  }
  auto kvm = std::make_shared<LinuxKvm>(std::move(fd), static_cast<size_t>(page_bytes));
  if (auto has_all = CheckKvm(*kvm); !has_all) return Fail(has_all.error());
  return kvm;
}

}  // namespace zxctl
