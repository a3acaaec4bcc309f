// zxtask-guest: what `zxctl guest` becomes. A program of its own, so that what guests need, such as a disassembler, is no memory
// of zxctl's, at which a supervised program's peak begins.
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "arch/guest.h"
#include "cli/complain.h"
#include "cli/print.h"
#include "info.h"
#include "run.h"

namespace zxctl {
namespace {

int RunHere([[maybe_unused]] const GuestRunOptions& options) {
  if constexpr (arch::kHasIoPorts) {
    return GuestRun(options);
  } else {
    Complain(
        "guests of `zxctl guest run` have their devices at I/O ports, which only x86-64 has; what KVM can do here is "
        "in "
        "`zxctl guest info`, and programs of yours can have guests where it says so");
    return kExitFailure;
  }
}

int Main(int argc, char** argv) {
  FillStandardStreams();
  CLI::App app("Run guests on KVM, and say what they can do here", "zxctl guest");
  app.require_subcommand(1);

  GuestRunOptions options;
  CLI::App* run = app.add_subcommand("run", "Run a test kernel, with a serial port and a way out");
  DeclareGuestRun(*run, options);
  bool json = false;
  CLI::App* info = app.add_subcommand("info", "Say what KVM can do here");
  info->add_flag("--json", json, "Print JSON");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Error& error) {
    return Explain(app, argc > 1 ? argv[1] : std::string(), error);
  }
  return *info ? GuestInfo(json) : RunHere(options);
}

}  // namespace
}  // namespace zxctl

int main(int argc, char** argv) { return zxctl::Main(argc, argv); }
