// `zxctl guest`: images that are and are not one, devices, and what is told of a guest that dies.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
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
  static Outcome Run(std::vector<std::string> arguments, RunOptions options = {}) {
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

TEST_F(GuestRun, ADeadGuestHasAReport) {
  // out, then ud2 without a table of handlers
  const Outcome ended =
      Run({"--trap", "io:0x80", Image({0xb0, 0x12, 0xe6, 0x80, 0xbb, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x0b})});
  EXPECT_EQ(DescribeStatus(ended.status), "exit 2");
  for (const char* part :
       {"triple fault", "rbx 0x0000000012345678", "=> 0x100009", "ud2", "out  port 0x80, 1 bytes: 0x12"}) {
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

TEST_F(GuestRun, StandardOutputThatCannotBeWrittenIsSaidOfEveryVerb) {
  const std::string self = std::to_string(getpid());
  for (const Argv& words : {Argv{"guest", "info"}, Argv{"guest", "info", "--json"}, Argv{"doctor", self},
                            Argv{"--help"}, Argv{"guest", "--help"}}) {
    ExpectRefused(Zxctl(words, {.fds = {{Open("/dev/full"), STDOUT_FILENO}}}), 125,
                  {"cannot write to standard output: No space left on device"});
    ExpectRefused(Zxctl(words, {.closed_fds = {STDOUT_FILENO}}), 125, {"cannot write to standard output"});
  }
}

TEST_F(GuestRun, AVerbThatThereIsNotIsSaid) {
  for (const Argv& words : {Argv{"foo"}, Argv{"guest", "foo"}}) {
    ExpectRefused(Zxctl(words), 125, {"there is no verb 'foo'", "--help"});
  }
  ExpectRefused(Zxctl({"guest"}), 125, {"no verb is given", "`zxctl guest --help`"});
}

TEST_F(GuestRun, BadInputIsSaid) {
  struct Case {
    std::vector<std::string> arguments;
    const char* said;
  };
  std::vector<uint8_t> elf(64, 0);
  const uint8_t magic[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::copy(std::begin(magic), std::end(magic), elf.begin());
  std::vector<uint8_t> many = elf;
  many[18] = 62;    // x86-64
  many[54] = 56;    // the size of a program header
  many[56] = 0xff;  // more of them than there are
  const Case cases[] = {
      {{"/nonexistent/image"}, "cannot open"},
      {{dir_.path()}, "no file"},
      {{Image({})}, "no file with something in it"},
      {{Image(elf)}, "no ELF file of 64 bits"},
      {{Image(many)}, "not all inside the file"},
      {{"--memory", "lots", Image(Exits(0))}, "is no size"},
      {{"--memory", "4K", Image(Exits(0))}, "not enough"},
      {{"--memory", "1M", Image(Exits(0))}, "give it more with --memory"},
      {{"--load", "0x1000", Image(Exits(0))}, "page tables"},
      {{"--trap", "pci:1", Image(Exits(0))}, "write io:PORT"},
      {{"--trap", "mem:0x123", Image(Exits(0))}, "multiples of 4096"},
      {{"--trap", "io:0xf4", Image(Exits(0))}, "another trap"},
      {{"--vcpus", "65", Image(Exits(0))}, "--vcpus"},
  };
  for (const Case& each : cases) {
    const Outcome ended = Run(each.arguments);
    EXPECT_EQ(DescribeStatus(ended.status), "exit 125") << each.said;
    EXPECT_NE(ended.err.find(each.said), std::string::npos) << each.said << "\n" << ended.err;
  }
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
