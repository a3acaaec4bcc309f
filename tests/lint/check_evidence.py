#!/usr/bin/env python3
"""Every test that docs/EVIDENCE.md names exists: each `-R REGEX` matches a test, each fuzz target and example has its file. Tests of
another machine (`--machine`) are not built here: their names are looked for in the sources.

    check_evidence.py ROOT BUILD
"""
import json
import pathlib
import re
import subprocess
import sys


def regexes(text, elsewhere=False):
    """The regexes of the test commands, in their order; those for another machine, or those for this one."""
    commands = "\n".join(line for line in text.splitlines() if line.startswith("  `"))
    found = re.findall(r"\./dev test([^`\n]*?) -R '?([^'`\n]+?)'?`", commands)
    return [regex for options, regex in found if ("--machine" in options) == elsewhere]


def fuzz_targets(text):
    return re.findall(r"\./dev fuzz ([a-z_]+)", text)


def test_names(build):
    """What ctest would run, without running it."""
    answer = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True)
    return [test["name"] for test in json.loads(answer.stdout)["tests"]]


def names_in_sources(root):
    """Tests of all machines, as they are written."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((pathlib.Path(root) / "tests").glob("**/*_test.cc")))
    return [f"{suite}.{name}" for suite, name in re.findall(r"\bTEST(?:_[FP])?\((\w+),\s*(\w+)\)", text)]


def mistakes(text, names, has_fuzz_target, written=()):
    found = []
    for regex, known in [(regex, names) for regex in regexes(text)] + [(regex, written) for regex in regexes(text, True)]:
        # What is between two bars may have lost its tests while the others have not.
        parts = [part for part in re.split(r"\|(?![^()]*\))", regex) if part]
        found += [f"no test matches {part}" for part in parts if not any(re.search(part, name) for name in known)]
    found += [f"there is no fuzz target {name}" for name in fuzz_targets(text) if not has_fuzz_target(name)]
    return found


def main(root, build):
    text = (pathlib.Path(root) / "docs/EVIDENCE.md").read_text(encoding="utf-8")
    found = mistakes(text, test_names(build), lambda name: (pathlib.Path(root) / f"tests/fuzz/{name}.cc").exists(),
                     names_in_sources(root))
    if not regexes(text):
        found.append("no test command was found: has the page another form now?")
    for mistake in found:
        print(f"docs/EVIDENCE.md: {mistake}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
