#include "options.h"

#include <CLI/CLI.hpp>

#include "cli/option_kinds.h"

namespace zxctl {

void DeclareGuestRun(CLI::App& app, GuestRunOptions& options) {
  app.add_option("IMAGE", options.image, "An ELF file of 64 bits, or a flat binary of 64-bit code")->required();
  app.add_option("--memory", options.memory, "The guest's memory, at address 0")->capture_default_str();
  app.add_option("--vcpus", options.vcpus, "How many VCPUs; the guest starts all but the first")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--load", options.load, "Where a flat binary is put, and begins")->capture_default_str();
  app.add_option("--trap", options.traps,
                 "io:PORT[:COUNT], mem:ADDRESS[:BYTES] or bell:ADDRESS[:BYTES]: accesses are trace packets; reads give "
                 "all ones")
      ->allow_extra_args(false);
  app.add_option("--serial", options.serial, "The I/O port of the serial console, or none")->capture_default_str();
  app.add_option("--debug-exit", options.debug_exit,
                 "The I/O port that ends the guest, or none: V gives the exit status V*2+1")
      ->capture_default_str();
  app.add_option("--trace", options.trace, "Print every packet on standard error: text or json")
      ->check(CLI::IsMember({"text", "json"}));
  AddDuration(app, "--timeout", options.timeout_ns, "End the guest after this time, with status 124");
}

}  // namespace zxctl
