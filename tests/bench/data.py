"""What the benchmarks work on: a small C project, and a program with a great deal of debug information."""

import hashlib
import os
import shutil
import subprocess

MAKEFILE = """\
SOURCES := $(wildcard *.c)
all: program
program: $(SOURCES:.c=.o)
\tcc -o $@ $^
%.o: %.c project.h
\tcc -O1 -g -c $< -o $@
clean:
\trm -f *.o program
"""

PART = """\
template <typename T>
struct Holder_@ {
  T first_@;
  T second_@;
  T Pick_@(bool which_@) const { return which_@ ? first_@ : second_@; }
};
class Record_@ {
 public:
  explicit Record_@(int seed_@) : id_@(seed_@), weight_@(seed_@ * 0.5) {}
  virtual ~Record_@() = default;
  virtual double Weigh_@(double factor_@, int steps_@) const {
    double sum_@ = weight_@;
    for (int step_@ = 0; step_@ < steps_@; ++step_@) {
      const double part_@ = factor_@ * step_@;
      sum_@ += part_@ > 1.0 ? part_@ : -part_@;
    }
    return sum_@;
  }
  int Mix_@(int left_@, int right_@) const {
    Holder_@<int> pair_@ = {left_@, right_@};
    return pair_@.Pick_@(left_@ > right_@) ^ id_@;
  }

 private:
  int id_@;
  double weight_@;
  unsigned long flags_@ = 0;
};
double Use_@(int value_@) {
  Record_@ record_@(value_@);
  Holder_@<double> both_@ = {record_@.Weigh_@(0.5, value_@ % 3), 1.0};
  return both_@.Pick_@(record_@.Mix_@(value_@, 7) > 3);
}
"""

# How many parts stand in the backtrace: a debugger reads the debug information of those.
CALLED_PARTS = 8

STEPPER = "using Stepper = double(const void* next, const int* value);\n"


def _fresh_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _c_file(number, functions):
    lines = ['#include "project.h"\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n']
    for i in range(functions):
        lines.append(
            f"int work_{number}_{i}(int n, char *text) {{\n"
            f"  int sum = {i};\n  for (int k = 0; k < n; k++) sum += (int)strlen(text) * k ^ {number};\n"
            f"  if (sum % 7 == 0) snprintf(text, 8, \"%d\", sum);\n  return sum;\n}}\n"
        )
    calls = " + ".join(f"work_{number}_{i}(n, text)" for i in range(functions))
    lines.append(f"int entry_{number}(int n, char *text) {{ return {calls}; }}\n")
    return "".join(lines)


def make_project(path, files, functions=12):
    """A C project of `files` small files with a Makefile."""
    _fresh_dir(path)
    _write(os.path.join(path, "Makefile"), MAKEFILE)
    entries = "".join(f"int entry_{i}(int n, char *text);\n" for i in range(files))
    _write(os.path.join(path, "project.h"), "#pragma once\n" + entries)
    for number in range(files):
        _write(os.path.join(path, f"file_{number}.c"), _c_file(number, functions))
    calls = " + ".join(f"entry_{i}(3, text)" for i in range(files))
    _write(os.path.join(path, "main.c"), f'#include "project.h"\nint main(void) {{ char text[16] = "x"; return ({calls}) == 1; }}\n')
    return path


def _part_source(classes):
    body = "".join(PART.replace("@", f"0001_{i}") for i in range(classes))
    step = (
        "double Step_0001_0(const void* next_0001_0, const int* value_0001_0) {\n"
        "  const auto* chain_0001_0 = static_cast<Stepper* const*>(next_0001_0);\n"
        "  if (*chain_0001_0 == nullptr) return Use_0001_0(*value_0001_0);\n"
        "  return Use_0001_0(1) + (*chain_0001_0)(chain_0001_0 + 1, value_0001_0);\n"
        "}\n"
    )
    return STEPPER + "namespace part_0001 {\n" + body + step + "}\n"


def _main_source(parts):
    names = [f"{i:04d}" for i in range(1, parts + 1, max(1, parts // CALLED_PARTS))]
    declarations = "".join(f"namespace part_{n} {{ Stepper Step_{n}_0; }}\n" for n in names)
    chain = ", ".join(f"part_{n}::Step_{n}_0" for n in names)
    return (
        "#include <future>\n#include <thread>\n#include <vector>\n" + STEPPER + declarations +
        f"static Stepper* const kChain[] = {{{chain}, nullptr}};\n"
        "int main() {\n"
        "  std::promise<void> never;\n"
        "  const std::shared_future<void> end = never.get_future().share();\n"
        "  std::vector<std::thread> threads;\n"
        "  std::vector<std::promise<void>> here(7);\n"
        "  for (int i = 0; i < 7; ++i) {\n"
        "    threads.emplace_back([&, i] { here[i].set_value(); end.wait(); });\n"
        "    here[i].get_future().wait();\n"
        "  }\n"
        "  return static_cast<int>(kChain[0](kChain + 1, nullptr));\n"
        "}\n"
    )


def _copy_part(part, number, path):
    """Renames everything in an object file from part 0001 to another part; the names keep their lengths."""
    name = b"%04d" % number
    with open(path, "wb") as file:
        file.write(part.replace(b"part_0001", b"part_" + name).replace(b"_0001_", b"_" + name + b"_"))


def _build_big(path, parts, classes):
    _write(os.path.join(path, "part_0001.cc"), _part_source(classes))
    _write(os.path.join(path, "main.cc"), _main_source(parts))
    compile_flags = ["c++", "-std=c++17", "-O0", "-g"]
    subprocess.run([*compile_flags, "-c", "part_0001.cc", "-o", "first.o"], cwd=path, check=True)
    with open(os.path.join(path, "first.o"), "rb") as file:
        part = file.read()
    objects = [f"part_{number:04d}.o" for number in range(1, parts + 1)]
    for number, name in enumerate(objects, 1):
        _copy_part(part, number, os.path.join(path, name))
    subprocess.run([*compile_flags, "main.cc", *objects, "-pthread", "-o", "program"], cwd=path, check=True)
    for name in [*objects, "first.o"]:
        os.remove(os.path.join(path, name))


def big_program(data, parts, classes):
    """A program of `parts` parts with `classes` classes each, all with debug information, that dies of a null pointer
    below a function each of eight parts, while seven threads wait. One part is compiled; the others are that object file with
    all names changed, which makes the same debug information as compiling them would, in a hundredth of the time."""
    recipe = _part_source(1) + _main_source(parts) + f"{parts} {classes}"
    path = os.path.join(data, "big-" + hashlib.sha256(recipe.encode()).hexdigest()[:16])
    program = os.path.join(path, "program")
    if not os.path.exists(program):
        building = _fresh_dir(path + f".{os.getpid()}")
        _build_big(building, parts, classes)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(building, path)
    return program
