#!/usr/bin/env python3
"""Measures what supervision costs against its peers, side by side in one run. README.md says what each row means.

Prints a table; exit status 0 when every bound holds, 1 when one is missed (0 with --no-fail), 2 when a row has no figure.
"""

import argparse
import json
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import rows


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder with zxctl (default %(default)s)")
    parser.add_argument("--only", action="append", metavar="ROW", choices=sorted(rows.ROWS),
                        help="measure this one only; may be given several times: " + ", ".join(rows.ROWS))
    parser.add_argument("--pairs", type=int, default=15, help="interleaved pairs for a ratio (default %(default)s)")
    parser.add_argument("--json", metavar="OUT", help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="small counts, two pairs, no bounds: does everything still run?")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 although a bound is missed")
    return parser.parse_args()


def make_context(arguments):
    bin_dir = os.path.abspath(arguments.bin)
    build = os.path.dirname(bin_dir)
    data_dir = os.path.join(os.path.dirname(build), "bench-data")
    os.makedirs(data_dir, exist_ok=True)
    pairs = 2 if arguments.quick else max(1, arguments.pairs)
    return harness.Context(bin_dir, os.path.join(build, "bench"), data_dir, pairs, arguments.quick)


def measure(context, names):
    """The rows, and the names of those that gave no figure and of those that were skipped."""
    done, failed, skipped = [], [], []
    for name in names:
        try:
            for row in rows.ROWS[name](context):
                harness.print_row(row)
                done.append(row)
        except harness.Skipped as why:
            print(f"{name:<17} skipped: {why}", flush=True)
            skipped.append(name)
        except (harness.BenchError, OSError) as error:
            print(f"{name:<17} no figure: {error}", flush=True)
            failed.append(name)
    return done, failed, skipped


def main():
    arguments = parse_arguments()
    context = make_context(arguments)
    for program in (os.path.join(context.bin, "zxctl"), context.program("bare_follower")):
        if not os.access(program, os.X_OK):
            print(f"{program} is not there: build first, or say where with --bin", file=sys.stderr)
            return 2
    # Crashes are wanted here, their core files are not.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    machine = harness.machine()
    print(f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}; load {machine['load_at_start']:.2f}; "
          f"median of {context.pairs} interleaved pairs (quartiles)", flush=True)
    done, failed, skipped = measure(context, arguments.only or list(rows.ROWS))
    missed = [row.id for row in done if row.verdict() == "FAIL"]
    if arguments.json:
        document = {"schema_version": 1, "machine": machine, "pairs": context.pairs, "quick": context.quick,
                    "rows": [harness.row_to_json(row) for row in done], "no_figure": failed, "skipped": skipped}
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
    print(f"bench: {len(done)} rows, {len(missed)} missed{': ' + ', '.join(missed) if missed else ''}"
          f"{f', {len(skipped)} skipped' if skipped else ''}")
    if failed:
        return 2
    return 1 if missed and not arguments.no_fail else 0


if __name__ == "__main__":
    sys.exit(main())
