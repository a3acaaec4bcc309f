"""Running programs and comparing them: interleaved pairs, medians, rows of the table."""

import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

# Long enough for every single run, short enough to end a hang before a person does.
RUN_TIMEOUT_S = 900


class BenchError(Exception):
    """A program under measurement did not do what it should: there is no figure then."""


class Skipped(Exception):
    """The machine lacks what a row needs: there is no figure, and that is no failure."""


@dataclass
class Outcome:
    wall_s: float
    values: dict
    output: str


@dataclass
class Spread:
    """The median of some figures and what surrounds it."""

    median: float
    q1: float
    q3: float
    count: int

    @staticmethod
    def of(figures):
        if len(figures) < 2:
            return Spread(figures[0], figures[0], figures[0], len(figures))
        quartiles = statistics.quantiles(figures, n=4, method="inclusive")
        return Spread(statistics.median(figures), quartiles[0], quartiles[2], len(figures))


@dataclass
class Row:
    """One line of the table. `measured` is a ratio unless `unit` says otherwise; smaller is better."""

    id: str
    title: str
    against: str
    measured: Spread
    bound: float = None  # None: for information
    unit: str = ""
    times: dict = field(default_factory=dict)  # seconds of each contender, medians
    notes: list = field(default_factory=list)
    failures: list = field(default_factory=list)  # conditions other than the bound that did not hold

    def verdict(self):
        if self.failures:
            return "FAIL"
        if self.bound is None:
            return "info"
        return "PASS" if self.measured.median <= self.bound else "FAIL"


@dataclass
class Context:
    bin: str  # zxctl and its company
    bench: str  # the programs of this folder
    data: str  # generated programs, kept between runs
    pairs: int
    quick: bool

    def zxctl(self, *flags):
        return [os.path.join(self.bin, "zxctl"), "run", *flags, "--"]

    def program(self, name):
        return os.path.join(self.bench, name)

    def bare(self, *flags):
        return [self.program("bare_follower"), *flags]

    def count(self, full, quick):
        return quick if self.quick else full

    def bound(self, value):
        return None if self.quick else value


def parse_values(text):
    """The key=value lines of a benchmark program."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.isidentifier() and value.strip().isdigit():
            values[key] = int(value)
    return values


def run(argv, env=None, expect=0, **popen):
    """Runs a program to its end; its status must be `expect`."""
    command = " ".join(map(str, argv))
    start = time.monotonic()
    try:
        done = subprocess.run(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})}, timeout=RUN_TIMEOUT_S, text=True, errors="replace", check=False, **popen)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{command}: not done after {RUN_TIMEOUT_S} s") from error
    wall = time.monotonic() - start
    if done.returncode != expect:
        raise BenchError(f"{command}: status {done.returncode}: {done.stdout[-600:]}")
    return Outcome(wall, parse_values(done.stdout), done.stdout)


def inner_time(argv, env=None):
    """A contender whose own clock counts: the seconds of the program's loop, without anybody's start."""
    return lambda: run(argv, env).values["ns"] / 1e9


def wall_time(argv, env=None, expect=0, **popen):
    """A contender that is timed from start to end."""
    return lambda: run(argv, env, expect, **popen).wall_s


def compare(first, second, pairs):
    """Runs both in turn, each pair in the other order, after one run of each that does not count. Returns the spread of
    the ratios first/second, and the medians of both."""
    first(), second()
    ratios, firsts, seconds = [], [], []
    for index in range(pairs):
        if index % 2 == 0:
            a = first()
            b = second()
        else:
            b = second()
            a = first()
        ratios.append(a / b)
        firsts.append(a)
        seconds.append(b)
    return Spread.of(ratios), statistics.median(firsts), statistics.median(seconds)


def median_of(contender, runs):
    return statistics.median(contender() for _ in range(runs))


def read_stats(path, timeout_s=30):
    """The tracer's counters. It writes them when it ends, which may be a little after the program."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        time.sleep(0.01)
    raise BenchError(f"the tracer wrote no statistics to {path}")


@contextlib.contextmanager
def busy_cpus(ctx):
    """As many processes as there are CPUs, computing."""
    burners = [subprocess.Popen([ctx.program("bench_loops"), "burn"]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for burner in burners:
            burner.send_signal(signal.SIGKILL)
            burner.wait()


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": models[0] if models else "",
        "cpus": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
    }


def format_time(seconds):
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def print_row(row, out=sys.stdout):
    spread, unit = row.measured, f" {row.unit}" if row.unit else ""
    figure = f"{spread.median:.3f} ({spread.q1:.3f}..{spread.q3:.3f}){unit}"
    bound = "" if row.bound is None else f"<= {row.bound:g}{unit}"
    print(f"{row.id:<17} {row.title:<48} {row.against:<22} {figure:<30} {bound:<12} {row.verdict()}", file=out)
    if row.times:
        times = ", ".join(f"{name} {format_time(value)}" for name, value in row.times.items())
        print(f"{'':<17} {times}", file=out)
    for note in row.notes:
        print(f"{'':<17} {note}", file=out)
    for failure in row.failures:
        print(f"{'':<17} FAILED: {failure}", file=out)
    out.flush()


def row_to_json(row):
    return {**asdict(row), "verdict": row.verdict()}
