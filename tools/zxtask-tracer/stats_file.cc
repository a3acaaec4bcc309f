#include "stats_file.h"

#include <fmt/format.h>

#include <fstream>

namespace zxctl {

void WriteStats(const std::string& path, const TracerStats& s) {
  std::ofstream file(path, std::ios::trunc);
  file << fmt::format(
      "{{\"stops\":{},\"signals\":{},\"faults\":{},\"forks\":{},\"threads\":{},\"execs\":{},\"exits\":{},"
      "\"restarted_calls\":{},\"illegal_events\":{},\"max_tracees\":{},\"lost_packets\":{}}}\n",
      s.stops, s.signals, s.faults, s.forks, s.threads, s.execs, s.exits, s.restarted_calls, s.illegal_events,
      s.max_tracees, s.lost_packets);
}

}  // namespace zxctl
