// The command line of `zxctl run`.
#pragma once

#include <string>
#include <vector>

#include "run.h"

namespace CLI {
class App;
}

namespace zxctl {

// Declares the verb's options on `app`; they are stored in `options` when the application parses.
void DeclareRun(CLI::App& app, RunOptions& options);

// The words of a command line that belong to zxctl and those of the program: everything from the first word that is no
// option of the verb, or behind "--". `words` start behind "run"; the program's are cut off and returned.
[[nodiscard]] std::vector<std::string> CutProgram(const CLI::App& app, std::vector<std::string>& words);

}  // namespace zxctl
