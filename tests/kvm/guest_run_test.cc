// `zxctl guest`: images that are and are not one, devices, and what is told of a guest that dies.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "cli/verbs.h"
#include "support/temp_dir.h"
#include "support/test_guest.h"

namespace zxctl::test {
namespace {

class GuestRun : public ::testing::Test {
 public:
  static Outcome Run(std::vector<std::string> arguments, const RunOptions& options = {}) {
    arguments.insert(arguments.begin(), {"guest", "run", "--timeout", "60s"});
    return Zxctl(arguments, options);
  }

 protected:
  void SetUp() override { REQUIRE_GUESTS(); }

  std::string Image(const std::vector<uint8_t>& bytes) {
    return dir_.Write("image" + std::to_string(count_++), std::string(bytes.begin(), bytes.end()));
  }

  // A descriptor for a program's standard stream, until the test ends.
  int Open(const char* path) { return fds_.emplace_back(open(path, O_RDWR | O_CLOEXEC)).get(); }
  // One that is read, has `text`, and then ends.
  int PipeWith(std::string_view text) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    fds_.emplace_back(ends[0]);
    const UniqueFd in(ends[1]);
    EXPECT_EQ(write(in.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return ends[0];
  }
  // One that is read, and never has anything.
  int OpenPipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    fds_.emplace_back(ends[1]);
    return fds_.emplace_back(ends[0]).get();
  }

  TempDir dir_;
  int count_ = 0;
  std::vector<UniqueFd> fds_;
};

// mov $V, %al; out %al, $0xf4
std::vector<uint8_t> Exits(uint8_t value) { return {0xb0, value, 0xe6, 0xf4, 0xf4}; }

TEST_F(GuestRun, TheDebugExitPortGivesTheStatus) {
  EXPECT_EQ(DescribeStatus(Run({Image(Exits(0))}).status), "exit 1");
  EXPECT_EQ(DescribeStatus(Run({Image(Exits(16))}).status), "exit 33");
  EXPECT_EQ(DescribeStatus(Run({"--debug-exit", "0x501", Image({0xb0, 4, 0x66, 0xba, 0x01, 0x05, 0xee})}).status),
            "exit 9");
}

TEST_F(GuestRun, TheSerialPortIsStandardOutputAndInput) {
  // wait for input, read, add one, write, exit
  const std::vector<uint8_t> code = {0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7, 0x66, 0xba,
                                     0xf8, 0x03, 0xec, 0xfe, 0xc0, 0xee, 0xb0, 0x00, 0xe6, 0xf4};
  const Outcome ended = Run({Image(code)}, {.stdin_text = "A"});
  EXPECT_EQ(ended.out, "B");
  EXPECT_EQ(DescribeStatus(ended.status), "exit 1") << ended.err;
}

TEST_F(GuestRun, ATraceOfEveryPacket) {
  const Outcome text = Run({"--trace=text", Image(Exits(3))});
  EXPECT_NE(text.err.find("out  port 0xf4, 1 bytes: 0x03"), std::string::npos) << text.err;
  const Outcome json = Run({"--trace=json", Image(Exits(3))});
  EXPECT_NE(json.err.find("\"port\":244"), std::string::npos) << json.err;
  EXPECT_NE(json.err.find("\"data\":3"), std::string::npos) << json.err;
}

// With SVM, a processor leaves nothing of a guest that has shut down.
bool IsOlder(const Outcome& ended) { return ended.err.find("those of its last exit") != std::string::npos; }

TEST_F(GuestRun, ADeadGuestHasAReport) {
  // out, then ud2 without a table of handlers
  const Outcome ended =
      Run({"--trap", "io:0x80", Image({0xb0, 0x12, 0xe6, 0x80, 0xbb, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x0b})});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 2");
  std::vector<const char*> parts = {"triple fault", "rax 0x0000000000000012", "out  port 0x80, 1 bytes: 0x12"};
  if (!IsOlder(ended)) parts.insert(parts.end(), {"rbx 0x0000000012345678", "=> 0x100009", "ud2"});
  for (const char* part : parts) {
    EXPECT_NE(ended.err.find(part), std::string::npos) << part << "\n" << ended.err;
  }
}

TEST_F(GuestRun, WhatIsTouchedWithoutATrapIsSaid) {
  EXPECT_NE(Run({Image({0xe6, 0x80})}).err.find("no trap is set"), std::string::npos);
  // mov %eax, 0x8000000
  const Outcome ended = Run({Image({0x89, 0x04, 0x25, 0x00, 0x00, 0x00, 0x08})});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 2");
  EXPECT_NE(ended.err.find("nothing is mapped"), std::string::npos) << ended.err;
}

TEST_F(GuestRun, AnEndlessLoopEndsInItsTime) {
  EXPECT_EQ(DescribeStatus(Zxctl({"guest", "run", "--timeout", "100ms", Image({0xeb, 0xfe})}).status), "exit 124");
  // hlt for ever
  EXPECT_EQ(DescribeStatus(Zxctl({"guest", "run", "--timeout", "100ms", Image({0xf4, 0xeb, 0xfd})}).status),
            "exit 124");
}

// Code that writes `values` to registers of the serial port and reads others, and compares what it reads with what is expected. The
// exit status is 1 if all are right, else twice the number of the first that is not, and one.
class SerialCode {
 public:
  SerialCode& Write(uint8_t offset, uint8_t value) {
    Port(offset);
    return Add({0xb0, value, 0xee});  // mov $value, %al; out %al, %dx
  }
  // mov $step, %cl; in %dx, %al; cmp $value, %al; je over; mov %cl, %al; out %al, $0xf4
  SerialCode& Expect(uint8_t offset, uint8_t value) {
    Port(offset);
    return Add({0xb1, ++step_, 0xec, 0x3c, value, 0x74, 0x04, 0x88, 0xc8, 0xe6, 0xf4});
  }
  std::vector<uint8_t> Code() {
    Add({0xb0, 0x00, 0xe6, 0xf4});
    return code_;
  }

 private:
  void Port(uint8_t offset) { Add({0x66, 0xba, static_cast<uint8_t>(0xf8 + offset), 0x03}); }
  SerialCode& Add(std::initializer_list<uint8_t> bytes) {
    code_.insert(code_.end(), bytes);
    return *this;
  }
  std::vector<uint8_t> code_;
  uint8_t step_ = 0;
};

TEST_F(GuestRun, TheSerialPortsLoopbackIsReadBackAndPrintsNothing) {
  SerialCode code;
  code.Write(1, 0x00).Write(3, 0x80).Write(0, 0x03).Write(1, 0x00).Write(3, 0x03).Write(2, 0xc7).Write(4, 0x0b);
  code.Write(4, 0x1e).Write(0, 0xae).Expect(5, 0x61).Expect(0, 0xae).Expect(5, 0x60).Write(4, 0x0f).Write(0, 'x');
  const Outcome ended = Run({Image(code.Code())}, {.fds = {{OpenPipe(), STDIN_FILENO}}});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 1");
  EXPECT_EQ(ended.out, "x");
}

TEST_F(GuestRun, TheSerialPortsRegistersAreReadBack) {
  SerialCode code;
  code.Write(7, 0x5a).Expect(7, 0x5a).Write(1, 0xff).Expect(1, 0x0f).Write(3, 0x83).Expect(3, 0x83);
  code.Write(0, 0x0c).Write(1, 0x01).Expect(0, 0x0c).Expect(1, 0x01).Write(3, 0x03).Expect(1, 0x0f);
  code.Expect(2, 0x01).Write(2, 0x01).Expect(2, 0xc1).Write(4, 0xff).Expect(4, 0x1f);
  // In loopback mode each output of the modem control is one line of the status; the low bits say what has changed.
  code.Write(4, 0x10).Expect(6, 0x0f).Write(4, 0x11).Expect(6, 0x22).Write(4, 0x12).Expect(6, 0x13);
  code.Write(4, 0x14).Expect(6, 0x41).Write(4, 0x18).Expect(6, 0x8c).Write(4, 0x00).Expect(6, 0xb3).Expect(6, 0xb0);
  const Outcome ended = Run({Image(code.Code())}, {.fds = {{OpenPipe(), STDIN_FILENO}}});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 1");
}

TEST_F(GuestRun, AtTheEndOfInputTheCarrierDrops) {
  SerialCode code;
  code.Expect(6, 0xb0).Expect(0, 'A').Expect(6, 0x38).Expect(6, 0x30);
  EXPECT_EQ(DescribeStatus(Run({Image(code.Code())}, {.fds = {{PipeWith("A"), STDIN_FILENO}}}).status), "exit 1");
}

// 1: mov $'x', %al; out %al, %dx; jmp 1b
const std::vector<uint8_t> kPrintsForEver = {0x66, 0xba, 0xf8, 0x03, 0xb0, 0x78, 0xee, 0xeb, 0xfb};

TEST_F(GuestRun, AGuestWhoseOutputCannotBeWrittenIsEnded) {
  const Outcome full = Run({Image(kPrintsForEver)}, {.fds = {{Open("/dev/full"), STDOUT_FILENO}}});
  EXPECT_EQ(DescribeStatus(full.status), "exit 125");
  EXPECT_EQ(full.err, "zxctl: cannot write to standard output: No space left on device (ENOSPC)\n");
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  fds_.emplace_back(ends[1]);
  EXPECT_EQ(Run({Image(kPrintsForEver)}, {.fds = {{ends[1], STDOUT_FILENO}}}).err,
            "zxctl: cannot write to standard output: Broken pipe (EPIPE)\n");
  const Outcome closed = Run({Image(kPrintsForEver)}, {.closed_fds = {STDOUT_FILENO}});
  EXPECT_EQ(DescribeStatus(closed.status), "exit 125");
  EXPECT_NE(closed.err.find("cannot write to standard output"), std::string::npos) << closed.err;
}

TEST_F(GuestRun, ItsTimeEndsAGuestWhoseOutputNobodyReads) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  fds_.emplace_back(ends[0]);
  fds_.emplace_back(ends[1]);
  const std::string all(static_cast<size_t>(fcntl(ends[1], F_GETPIPE_SZ)), ' ');
  ASSERT_EQ(write(ends[1], all.data(), all.size()), static_cast<ssize_t>(all.size()));
  const Outcome ended =
      Zxctl({"guest", "run", "--timeout", "1s", Image(kPrintsForEver)}, {.fds = {{ends[1], STDOUT_FILENO}}});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 124") << ended.err;
}

TEST_F(GuestRun, AnErrorOutputThatCannotBeWrittenEndsNothing) {
  for (const char* trace : {"--trace=text", "--trace=json"}) {
    EXPECT_EQ(DescribeStatus(Run({trace, Image(Exits(3))}, {.fds = {{Open("/dev/full"), STDERR_FILENO}}}).status),
              "exit 7");
    EXPECT_EQ(DescribeStatus(Run({trace, Image(Exits(3))}, {.closed_fds = {STDERR_FILENO}}).status), "exit 7");
  }
  const Outcome dead = Run({Image({0x0f, 0x0b})}, {.fds = {{Open("/dev/full"), STDERR_FILENO}}});
  EXPECT_EQ(DescribeStatus(dead.status), "exit 2");
}

TEST_F(GuestRun, StandardOutputThatCannotBeWrittenIsSaidOfEveryVerb) {
  const std::string self = std::to_string(getpid());
  for (const Argv& words : {Argv{"guest", "info"}, Argv{"guest", "info", "--json"}, Argv{"doctor", self},
                            Argv{"--help"}, Argv{"guest", "--help"}}) {
    ExpectRefused(Zxctl(words, {.fds = {{Open("/dev/full"), STDOUT_FILENO}}}), 125,
                  {"cannot write to standard output: No space left on device"});
    ExpectRefused(Zxctl(words, {.closed_fds = {STDOUT_FILENO}}), 125, {"cannot write to standard output"});
  }
}

// Every line of what was printed, as an object.
std::vector<nlohmann::json> Objects(const Outcome& ended) {
  std::vector<nlohmann::json> objects;
  for (const std::string& line : SplitLines(ended.err)) {
    objects.push_back(nlohmann::json::parse(line, nullptr, false));
    EXPECT_TRUE(objects.back().is_object()) << line;
  }
  return objects;
}

TEST_F(GuestRun, EveryLineOfAJsonTraceIsAnObject) {
  const auto exits = Objects(Run({"--trace=json", Image(Exits(3))}));
  ASSERT_EQ(exits.size(), 2U);
  EXPECT_EQ(exits[0]["event"], "packet");
  EXPECT_EQ(exits[0]["vcpu"], 0);
  EXPECT_EQ(exits[1], nlohmann::json({{"event", "end"}, {"status", "exited"}, {"exit_status", 7}, {"vcpu", 0}}));
  const auto dies = Objects(Run({"--trace=json", Image({0xe6, 0x80})}));
  ASSERT_EQ(dies.size(), 1U);
  EXPECT_EQ(dies[0]["status"], "died");
  EXPECT_NE(dies[0]["report"].get<std::string>().find("no trap is set"), std::string::npos);
  const auto hangs = Objects(Zxctl({"guest", "run", "--timeout", "100ms", "--trace=json", Image({0xeb, 0xfe})}));
  ASSERT_EQ(hangs.size(), 1U);
  EXPECT_EQ(hangs[0]["status"], "timeout");
  EXPECT_EQ(hangs[0]["exit_status"], 124);
  // A name that is no UTF-8.
  const auto bad = Objects(Run({"--trace=json", "/nonexistent/\xff"}));
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_EQ(bad[0]["status"], "failed");
}

TEST_F(GuestRun, RingsThatAreInThePortAreToldBeforeTheEnd) {
  // mov %al, 0x40000000, and the next page: the first ring of an address is told by the VCPU itself; then exit
  std::vector<uint8_t> code;
  for (uint8_t page = 0; page < 16; ++page) {
    code.insert(code.end(), {0x88, 0x04, 0x25, 0x00, static_cast<uint8_t>(page << 4), 0x00, 0x40});
  }
  const std::vector<uint8_t> exits = Exits(0);
  code.insert(code.end(), exits.begin(), exits.end());
  const Outcome ended = Run({"--trace=json", "--trap", "bell:0x40000000:64K", Image(code)});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 1");
  size_t rings = 0;
  for (const nlohmann::json& each : Objects(ended)) {
    if (!each.contains("type") || each["type"] != "bell") continue;
    ++rings;
    EXPECT_FALSE(each.contains("vcpu")) << each;
  }
  EXPECT_EQ(rings, 16U) << ended.err;
}

// x2APIC ICR: mov $0x830, %ecx; mov $icr, %eax; mov $vcpu, %edx; wrmsr
std::vector<uint8_t> Starts(uint8_t vcpu, uint8_t page) {
  return {0xb9, 0x30, 0x08, 0x00, 0x00, 0xb8, page, 0x06, 0x00, 0x00, 0xba, vcpu, 0x00, 0x00, 0x00, 0x0f, 0x30};
}

TEST_F(GuestRun, AVcpuThatIsStartedAndWasNotGivenIsSaidOnce) {
  std::vector<uint8_t> code = Starts(1, 8);
  for (const auto& more : {Starts(2, 8), Exits(0)}) code.insert(code.end(), more.begin(), more.end());
  EXPECT_EQ(Run({Image(code)}).err, "zxctl: the guest starts VCPU 1; --vcpus gives only 1\n");
  const auto objects = Objects(Run({"--trace=json", Image(code)}));
  EXPECT_EQ(std::count(objects.begin(), objects.end(),
                       nlohmann::json({{"event", "note"}, {"text", "the guest starts VCPU 1; --vcpus gives only 1"}})),
            1);
}

TEST_F(GuestRun, AtItsTimeItIsSaidWhereEachVcpuStood) {
  const Outcome ended = Zxctl({"guest", "run", "--timeout", "100ms", "--vcpus", "2", "--trap", "io:0x80",
                               Image({0xe6, 0x80, 0xbb, 0x78, 0x56, 0x34, 0x12, 0xeb, 0xfe})});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 124");
  for (const char* part : {"zxctl: the guest has not ended in its time\n", "VCPU 0\n", "rbx 0x0000000012345678",
                           "VCPU 1 had not been started", "out  port 0x80"}) {
    EXPECT_NE(ended.err.find(part), std::string::npos) << part << "\n" << ended.err;
  }
}

TEST_F(GuestRun, NoTimeIsForEver) {
  EXPECT_EQ(DescribeStatus(Zxctl({"guest", "run", "--timeout", "0", Image(Exits(0))}).status), "exit 1");
}

TEST_F(GuestRun, TheStackOfALargeGuestIsMapped) {
  // push %rax, and exit
  EXPECT_EQ(DescribeStatus(Run({"--memory", "5G", Image({0x50, 0xb0, 0x00, 0xe6, 0xf4})}).status), "exit 1");
}

TEST_F(GuestRun, TheReportOf16BitCodeHasItsBase) {
  // The second VCPU begins at 0x8000 in real mode, with an OUT to a port that nobody has: the first writes it there, and waits.
  std::vector<uint8_t> code = {0xc7, 0x04, 0x25, 0x00, 0x80, 0x00, 0x00, 0x90, 0xe6, 0x80, 0xf4};
  const std::vector<uint8_t> waits = {0xf4, 0xeb, 0xfd};
  for (const auto& more : {Starts(1, 8), waits}) code.insert(code.end(), more.begin(), more.end());
  const Outcome ended = Run({"--vcpus", "2", Image(code)});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 2");
  EXPECT_NE(ended.err.find("in code at 0x8000, 16 bits:"), std::string::npos) << ended.err;
}

TEST_F(GuestRun, TheReportsCodeBeginsWhereTheGuestStood) {
  const Outcome ended = Run({Image({0x90, 0x90, 0x90, 0x0f, 0x0b})});
  EXPECT_EQ(ended.err.find("nop") == std::string::npos, !IsOlder(ended)) << ended.err;
  EXPECT_NE(ended.err.find(IsOlder(ended) ? "=> 0x100000" : "=> 0x100003"), std::string::npos) << ended.err;
}

// An ELF file whose segments have these places in memory, and two instructions each that end the guest with status 1.
struct Part {
  uint64_t address;
  uint64_t bytes = 4;
  uint32_t type = PT_LOAD;
};
std::vector<uint8_t> Elf(const std::vector<Part>& parts, uint64_t entry, uint16_t type = ET_EXEC) {
  const std::vector<uint8_t> code = Exits(0);
  Elf64_Ehdr header = {};
  header.e_type = type;
  header.e_machine = EM_X86_64;
  header.e_entry = entry;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(parts.size());
  const uint8_t magic[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
  std::copy(std::begin(magic), std::end(magic), header.e_ident);
  std::vector<uint8_t> file(sizeof(header) + parts.size() * sizeof(Elf64_Phdr));
  std::memcpy(file.data(), &header, sizeof(header));
  for (size_t i = 0; i < parts.size(); ++i) {
    Elf64_Phdr part = {};
    part.p_type = parts[i].type;
    part.p_offset = file.size();
    part.p_vaddr = part.p_paddr = parts[i].address;
    part.p_filesz = 4;
    part.p_memsz = parts[i].bytes;
    std::memcpy(file.data() + sizeof(header) + i * sizeof(part), &part, sizeof(part));
  }
  file.insert(file.end(), code.begin(), code.end());
  return file;
}

struct BadInput {
  std::vector<std::string> arguments;
  const char* said;
};
void ExpectSaid(const std::vector<BadInput>& cases, Outcome (*run)(std::vector<std::string>)) {
  for (const BadInput& each : cases) {
    const Outcome ended = run(each.arguments);
    EXPECT_EQ(DescribeStatus(ended.status), "exit 125") << each.said;
    EXPECT_NE(ended.err.find(each.said), std::string::npos) << each.said << "\n" << ended.err;
    EXPECT_EQ(SplitLines(ended.err).size(), 1U) << ended.err;
  }
}
Outcome RunWith(std::vector<std::string> arguments) { return GuestRun::Run(std::move(arguments)); }

TEST_F(GuestRun, AnElfFileBeginsAtItsEntry) {
  EXPECT_EQ(DescribeStatus(Run({Image(Elf({{0x200000}, {0x100000}}, 0x100000))}).status), "exit 1");
}

TEST_F(GuestRun, AnImageThatCannotBeLoadedIsSaid) {
  std::vector<uint8_t> many = Elf({}, 0);
  many[56] = 0xff;  // more program headers than there are
  std::vector<uint8_t> of32 = Elf({}, 0);
  of32[4] = ELFCLASS32;
  const std::vector<uint8_t> interp = Elf({{0x100000}, {0x100000, 4, PT_INTERP}}, 0x100000);
  ExpectSaid(
      {
          {{Image(of32)}, "no ELF file of 64 bits"},
          {{Image(many)}, "not all inside the file"},
          {{Image(Elf({{0x100000}}, 0x100000, ET_DYN))}, "-no-pie"},
          {{Image(Elf({{0x100000}}, 0x100000, ET_REL))}, "object file"},
          {{Image(Elf({{0x100000}}, 0x100000, ET_CORE))}, "no program"},
          {{Image(interp)}, "dynamic loader"},
          {{Image(Elf({{0x100000}}, 0x100004))}, "entry, 0x100004, is in no segment"},
          {{Image(Elf({{0x100000, 0x1001}, {0x101000}}, 0x100000))}, "segments 0 and 1 overlap in memory, at 0x101000"},
          {{Image(Elf({{0x100000, UINT64_MAX}}, 0x100000))}, "give it more with --memory"},
          {{Image(Elf({{UINT64_MAX - 1}}, UINT64_MAX - 1))}, "at 0xfffffffffffffffe, and the guest has 0x4000000"},
          {{Image(Elf({}, 0))}, "no segment"},
          {{"--load", "0xffffffffffffffff", Image(Exits(0))}, "at 0xffffffffffffffff"},
          {{"--memory", "5G", "--load", "0x100000000", Image(Exits(0))}, "first 0x100000000 bytes mapped"},
          {{"--memory", "1M", Image(Exits(0))}, "give it more with --memory"},
          {{"--load", "0x1000", Image(Exits(0))}, "page tables"},
      },
      &RunWith);
}

TEST_F(GuestRun, WhatIsNoFileIsSaid) {
  const std::string fifo = dir_.path() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = dir_.path() + "/socket";
  ASSERT_LT(path.size(), sizeof(name.sun_path));
  path.copy(name.sun_path, path.size());
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ExpectSaid(
      {
          {{"/nonexistent/image"}, "cannot open"},
          {{dir_.path()}, "is a directory: name an image in it"},
          {{fifo}, "is a FIFO"},
          {{path}, "is a socket"},
          {{"/dev/zero"}, "is a device"},
          {{Image({})}, "is empty"},
      },
      &RunWith);
}

TEST_F(GuestRun, AnErrorOfAnOptionNamesIt) {
  const std::string image = Image(Exits(0));
  ExpectSaid(
      {
          {{"--memory", "lots", image}, "--memory: 'lots' is no size"},
          {{"--memory", "4K", image}, "--memory: 4096 bytes are too little: the least is 48K"},
          {{"--memory", "100T", image}, "--memory 100T: "},
          {{"--memory", "1048577", image}, "multiple of 4096"},
          {{"--load", "high", image}, "--load: 'high' is no number"},
          {{"--trap", "pci:1", image}, "write io:PORT"},
          {{"--trap", "io:", image}, "write io:PORT"},
          {{"--trap", "io:0x80:0", image}, "a size of 0"},
          {{"--trap", "mem:0x123", image}, "multiples of 4096"},
          {{"--trap", "io:0xf4", image}, "--trap io:0xf4: this overlaps the debug-exit port, 0xf4"},
          {{"--trap", "io:0x3f0:9", image}, "overlaps the serial port, 0x3f8 to 0x3ff"},
          {{"--trap", "mem:0x40000000", "--trap", "bell:0x40000000", image}, "another trap, --trap mem:0x40000000"},
          {{"--debug-exit", "0x3ff", image}, "--debug-exit 0x3ff: this overlaps the serial port"},
          {{"--debug-exit", "0x10000", image},
           "--debug-exit 0x10000: the I/O ports that can be trapped are 0 to 0xfffe"},
          {{"--serial", "0xfff8", image}, "--serial 0xfff8: the I/O ports"},
          {{"--vcpus", "65", image}, "--vcpus"},
      },
      &RunWith);
}

TEST_F(GuestRun, AVerbThatThereIsNotIsSaid) {
  for (const Argv& words : {Argv{"foo"}, Argv{"guest", "foo"}}) {
    ExpectRefused(Zxctl(words), 125, {"there is no verb 'foo'", "--help"});
  }
  ExpectRefused(Zxctl({"guest"}), 125, {"no verb is given", "`zxctl guest --help`"});
}

TEST_F(GuestRun, InfoSaysWhatThereIs) {
  const Outcome text = Zxctl({"guest", "info"});
  EXPECT_EQ(DescribeStatus(text.status), "exit 0");
  EXPECT_NE(text.out.find("doorbells"), std::string::npos);
  const Outcome json = Zxctl({"guest", "info", "--json"});
  EXPECT_NE(json.out.find("\"guests\": true"), std::string::npos) << json.out;
}

}  // namespace
}  // namespace zxctl::test
