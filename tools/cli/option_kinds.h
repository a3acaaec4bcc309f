// Kinds of values that several subcommands take.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace zxctl {

// What is given for `name` is stored in nanoseconds.
void AddDuration(CLI::App& app, const std::string& name, int64_t& out, const std::string& help);

// `name` is the id of a process or a thread.
CLI::Option* AddTaskId(CLI::App& app, const std::string& name, pid_t& out, const std::string& help);

}  // namespace zxctl
