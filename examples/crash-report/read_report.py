#!/usr/bin/env python3
"""Prints what a JSON crash report says, and checks that it is the crash of crash.c."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    reports = [json.loads(line) for line in file]

assert len(reports) == 1, f"one crash, {len(reports)} reports"
report = reports[0]
exception = report["exception"]
frames = report["frames"]

print(f"{report['process']['name']} died of {exception['signal']}: {exception['explanation']}")
for number, frame in enumerate(frames):
    place = f"{frame['file']}:{frame['line']}" if frame['file'] else frame['module'] or '?'
    print(f"  #{number} {frame['function'] or frame['pc']}  {place}")

assert exception["type"] == "fatal-page-fault", exception
assert exception["access"] == "read", exception
assert [frame["function"] for frame in frames[:2]] == ["sum", "main"], frames[:2]
assert frames[0]["file"].endswith("crash.c"), frames[0]
assert frames[0]["trust"] == "context", frames[0]
