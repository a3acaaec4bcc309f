#!/usr/bin/env python3
"""The rules of the house that a compiler does not know. usage: check_layers.py ROOT

  layering    a folder of src/ includes only from itself and from folders below it, in code and in CMake
  machine     no machine macro and no machine folder is named outside src/arch and the public headers that are the machine's
              (registers, code for started threads)
  length      no function longer than 70 lines, no source file longer than 500 (tests: 700)
  leftovers   nothing left for later, no switched-off code, no path of somebody's machine

One line a finding, "FILE:LINE: RULE: …"; exit status 1 if there is one.
"""

import pathlib
import re
import subprocess
import sys

RANKS = ["base", "arch", "object", "supervisor", "exceptions", "ring", "service", "client", "vcpu", "report", "syscalls", "handlers",
         "inject", "tools"]
# What programs include: they cannot see src/arch.
MACHINE_HEADERS = ("include/zircon/syscalls/debug.h", "include/zircon/syscalls/hypervisor.h", "include/zircon/syscalls/port.h",
                   "include/zxtask/linux.h", "include/zxtask/target.h")
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = {"src": 500, "tools": 500, "include": 500, "tests": 700, "examples": 500}

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')
MACHINE_MACRO = re.compile(r"\b(__x86_64__|__i386__|__amd64__|__aarch64__|__arm__|__riscv\w*)\b")
# Written in pieces so that this file does not find itself.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|#if\s+0\b|\bDIS" r"ABLED_\w+")
OWN_PATH = re.compile(r"(?<![\w.])/(?:work/|home/(?!user/)\w|root/\.)")
CODE = (".cc", ".h", ".c", ".S")
TEXT = CODE + (".py", ".sh", ".cmake", ".txt", ".md", ".scd", ".json", ".yml")


def rank(folder):
    return RANKS.index(folder) if folder in RANKS else None


def room_of(path):
    """The room of the house that a file belongs to: src/ring/ring.cc is in "ring"; None outside src and tools."""
    parts = path.parts
    if parts[0] == "tools":
        return "tools"
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def blank_out(text):
    """The text with comments and literals replaced by blanks: same length, same lines."""
    pattern = re.compile(r'R"([^()\\ ]*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|'
                         r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'")
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def check_includes(path, lines):
    mine = room_of(path)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match[1]
        folder = target.split("/")[0]
        if target.startswith("../"):
            yield number, "layering", f"includes {target}: say which folder it is in"
        elif mine is not None and "/" in target and rank(folder) is not None and rank(folder) > rank(mine):
            yield number, "layering", f"{mine} includes {target}, which is above it"
        in_arch = path.parts[:2] == ("src", "arch")
        if not in_arch and (target == "arch_machine.h" or re.match(r"arch/[^/]+/", target)):
            yield number, "machine", f"includes {target}: arch/arch.h is the way in"


def check_machine(path, code_lines):
    if path.parts[:2] == ("src", "arch") or path.parts[0] not in ("src", "tools", "include"):
        return
    if path.as_posix() in MACHINE_HEADERS:
        return
    for number, line in enumerate(code_lines, 1):
        if MACHINE_MACRO.search(line):
            yield number, "machine", "a machine macro outside src/arch"


def function_bodies(code):
    """(first line, last line) of every outermost function body; a heuristic on brace depth."""
    stack = []  # one entry an open brace: True for a function body
    inside = 0
    statement_start = 0
    for position, char in enumerate(code):
        if char == "{":
            head = code[statement_start:position]
            is_function = inside == 0 and looks_like_function(head)
            stack.append((is_function, position))
            inside += is_function
            if inside == 0:
                statement_start = position + 1
        elif char == "}" and stack:
            was_function, start = stack.pop()
            if was_function:
                inside -= 1
                yield code.count("\n", 0, start) + 1, code.count("\n", 0, position) + 1
            if inside == 0:
                statement_start = position + 1
        elif char == ";" and inside == 0:
            statement_start = position + 1


def looks_like_function(head):
    head = re.sub(r"^\s*#.*$", "", head, flags=re.M).strip()
    if "(" not in head or re.match(r"(namespace|enum|struct|class|union)\b[^(]*$", head):
        return False
    return not re.search(r"=\s*$", head)


def check_length(path, code, lines):
    limit = MAX_FILE_LINES.get(path.parts[0])
    if limit and len(lines) > limit:
        yield 1, "length", f"{len(lines)} lines in one file (at most {limit}): does it hold two things?"
    for first, last in function_bodies(code):
        if last - first + 1 > MAX_FUNCTION_LINES:
            yield first, "length", f"a function of {last - first + 1} lines (at most {MAX_FUNCTION_LINES})"


def check_leftovers(lines):
    for number, line in enumerate(lines, 1):
        if LEFTOVER.search(line):
            yield number, "leftovers", "left for later, or switched off"
        if OWN_PATH.search(line):
            yield number, "leftovers", "a path of somebody's machine"


def check_cmake(path, lines):
    """In src/X/CMakeLists.txt, zx_Y stands for the library of folder Y: it must not be above X."""
    mine = room_of(path)
    if path.name != "CMakeLists.txt" or rank(mine) is None:
        return
    for number, line in enumerate(lines, 1):
        for name in re.findall(r"\bzx_([a-z]+)\b", line.split("#")[0]):
            if rank(name) is not None and rank(name) > rank(mine):
                yield number, "layering", f"{mine} links zx_{name}, which is above it"


def check_file(path, text):
    """The findings of one file: (line, rule, message). `path` is relative to the root."""
    lines = text.splitlines()
    mine = room_of(path)
    if mine is not None and rank(mine) is None:
        yield 1, "layering", f"src/{mine} has no rank in this check"
        return
    yield from check_leftovers(lines)
    yield from check_cmake(path, lines)
    if path.suffix in CODE:
        code = blank_out(text)
        yield from check_includes(path, lines)
        yield from check_machine(path, code.splitlines())
        yield from check_length(path, code, lines)


def tree_files(root):
    """What git tracks or would track; everything, where the tree is not a git repository."""
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, text=True)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.split("\0") if name]
    else:
        names = [str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*") if p.is_file()]
    for name in sorted(set(names)):
        path = pathlib.Path(name)
        if path.parts[0] not in ("build", ".git") and (path.suffix in TEXT or name in ("dev", ".ci/run")):
            yield path


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    checked = findings = 0
    for path in tree_files(root):
        try:
            text = (root / path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        checked += 1
        for line, rule, message in check_file(path, text):
            findings += 1
            print(f"{path}:{line}: {rule}: {message}")
    print(f"check_layers: {checked} files, {findings} findings")
    return 1 if findings or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
