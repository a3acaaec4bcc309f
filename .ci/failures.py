#!/usr/bin/env python3
"""Says again, where a long log ends, which tests failed and what they printed last. usage: failures.py JUNIT.XML…"""

import sys
import xml.etree.ElementTree as ElementTree

LAST_LINES = 40


def failures(path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.get("status") == "fail":
            yield case.get("name"), (case.findtext("system-out") or "").splitlines()


def main(paths):
    for path in paths:
        for name, output in failures(path):
            print(f"-- {name} ({path})", *output[-LAST_LINES:], sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
