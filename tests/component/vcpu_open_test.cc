// Machines without guests: the status is the same, and the sentence says what would mend it.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zircon/types.h>

#include <string>

#include "support/fake_kvm.h"
#include "support/scoped_limit.h"
#include "support/temp_dir.h"
#include "vcpu/linux_kvm.h"

namespace zxctl::test {
namespace {

// What is said of a path, that it is said, and no more.
void ExpectRefused(const std::string& path, zx_status_t status, const std::string& remedy) {
  const auto kvm = OpenKvm(path.c_str());
  ASSERT_FALSE(kvm);
  EXPECT_EQ(kvm.error().zx, status);
  EXPECT_NE(kvm.error().what.find(path), std::string::npos) << kvm.error().what;
  EXPECT_NE(kvm.error().what.find(remedy), std::string::npos) << kvm.error().what;
}

TEST(OpenKvm, ThereIsNone) {
  const TempDir dir;
  ExpectRefused(dir.path() + "/kvm", ZX_ERR_NOT_SUPPORTED, "load kvm and kvm_intel or kvm_amd");
}

TEST(OpenKvm, ThatMayNotBeOpened) {
  const TempDir dir;
  const std::string path = dir.path() + "/kvm";
  close(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  ASSERT_EQ(chmod(dir.path().c_str(), 0755), 0);
  // Root may open everything.
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(1);
    ExpectRefused(path, ZX_ERR_NOT_SUPPORTED, "add the user to the group kvm");
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(OpenKvm, SomethingElseInItsPlace) {
  ExpectRefused("/dev/null", ZX_ERR_NOT_SUPPORTED, "is not the KVM of a kernel since 2.6.22");
  ExpectRefused("/dev/null/kvm", ZX_ERR_NOT_SUPPORTED, "cannot be opened");
}

TEST(OpenKvm, NoDescriptorIsLeftToFindOut) {
  REQUIRE_WORK_WITHOUT_DESCRIPTORS();
  const ScopedLimit none(RLIMIT_NOFILE, 0);
  ExpectRefused("/dev/null", ZX_ERR_NO_RESOURCES, "cannot be opened");
}

TEST(OpenKvm, EachThatItLacksIsNamed) {
  FakeKvm whole;
  EXPECT_TRUE(CheckKvm(whole));
  const struct {
    int capability;
    int answer;
    const char* name;
  } cases[] = {{KVM_CAP_USER_MEMORY, 0, "KVM_CAP_USER_MEMORY"},
               {KVM_CAP_IMMEDIATE_EXIT, 0, "KVM_CAP_IMMEDIATE_EXIT"},
               {KVM_CAP_IOEVENTFD_ANY_LENGTH, 0, "KVM_CAP_IOEVENTFD_ANY_LENGTH"},
               {KVM_CAP_X86_USER_SPACE_MSR, 0, "KVM_CAP_X86_USER_SPACE_MSR"},
               {KVM_CAP_EXT_CPUID, 0, "KVM_CAP_EXT_CPUID"},
               {KVM_CAP_SYNC_REGS, 0, "KVM_CAP_SYNC_REGS"},
               {KVM_CAP_SYNC_REGS, KVM_SYNC_X86_REGS, "KVM_CAP_SYNC_REGS"},
               {KVM_CAP_SYNC_REGS, KVM_SYNC_X86_EVENTS, "KVM_CAP_SYNC_REGS"}};
  for (const auto& each : cases) {
    FakeKvm kvm;
    kvm.world->extensions[each.capability] = each.answer;
    const auto checked = CheckKvm(kvm);
    ASSERT_FALSE(checked) << each.name;
    EXPECT_EQ(checked.error().zx, ZX_ERR_NOT_SUPPORTED);
    EXPECT_NE(checked.error().what.find(each.name), std::string::npos) << checked.error().what;
    EXPECT_NE(checked.error().what.find("a kernel since 5.10"), std::string::npos) << checked.error().what;
  }
}

}  // namespace
}  // namespace zxctl::test
