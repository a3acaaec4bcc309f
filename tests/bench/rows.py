"""The rows of the table: each function measures one and returns Row objects. README.md says what each one means."""

import contextlib
import functools
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass

import data
from harness import (BenchError, Row, Skipped, Spread, busy_cpus, compare, format_time, inner_time, median_of, parse_values,
                     read_stats, run, wall_time)

GDB = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off"]
PEER_RUNS = 3
MAX_LATENCY_MS = 5
TRACER_KIB_PER_TRACEE = 2


def has(program):
    return shutil.which(program) is not None


def gdb_run(*commands):
    words = list(GDB)
    for command in ("set print thread-events off", "set print inferior-events off", *commands, "run"):
        words += ["-ex", command]
    return [*words, "--args"]


def pinned(argv):
    return ["taskset", "-c", "0", *argv]


def peers(ctx, program, prefixes, reference):
    """Times of the peers that are only printed; a peer that fails or is missing is left out with a note."""
    times, notes = {}, []
    for name, prefix in prefixes.items():
        if prefix and not has(prefix[0]):
            notes.append(f"{name}: not installed")
            continue
        try:
            times[name] = median_of(inner_time([*prefix, *program]), 1 if ctx.quick else PEER_RUNS)
        except BenchError as error:
            notes.append(f"{name}: no figure: {str(error)[:200]}")
    relations = [f"{name} {seconds / reference:.2f}" for name, seconds in times.items()]
    if relations:
        notes.append("in times of the peer: " + ", ".join(relations))
    return times, notes


# ---- nothing to do: no stop, no cost ---------------------------------------------------------------------------------


def count_stops(ctx, argv):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stats.json")
        run([*ctx.zxctl(), *argv], env={"ZXCTL_STATS": path})
        return read_stats(path)["stops"]


def judge_stops(row, few, many):
    """The loop is ten times as long in the second run: as many stops in both means that none came from it."""
    row.notes.append(f"stops of the whole run: {few}, with ten times the loop: {many}")
    if few != many:
        row.failures.append("stops were recorded during the loop")


def loop_row(ctx, mode, title, count):
    def program(n):
        return [ctx.program("bench_loops"), mode, n]

    ratio, ours, theirs = compare(
        inner_time([*ctx.zxctl(), *program(count)]), inner_time(program(count)), ctx.pairs)
    row = Row(mode, title, "unsupervised", ratio, ctx.bound(1.05), times={"zxctl": ours, "unsupervised": theirs})
    judge_stops(row, count_stops(ctx, program(count // 20)), count_stops(ctx, program(count // 2)))
    return [row]


def cpu(ctx):
    return loop_row(ctx, "cpu", "CPU loop", ctx.count(400_000_000, 4_000_000))


def getpid(ctx):
    return loop_row(ctx, "getpid", "getpid loop", ctx.count(4_000_000, 40_000))


def pipe(ctx):
    return loop_row(ctx, "pipe", "pipe ping-pong of two processes", ctx.count(60_000, 2_000))


@contextlib.contextmanager
def redis_server(prefix, folder, env=None):
    path = os.path.join(folder, "redis.sock")
    argv = [*prefix, "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})}) as server:
        try:
            wait_for_server(path, server)
            yield path
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
            with contextlib.suppress(OSError):
                os.remove(path)


def wait_for_server(path, server):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"PING\r\n")
            if client.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.005)
    raise BenchError("redis-server did not start")


def redis_load(path, requests):
    """Seconds that redis-benchmark's GET and SET take together."""
    output = run(["redis-benchmark", "-s", path, "-n", requests, "-c", 20, "-t", "get,set", "--csv"]).output
    rates = [line.split(",")[1].strip('"') for line in output.splitlines() if line.startswith(('"SET', '"GET'))]
    if len(rates) != 2:
        raise BenchError(f"redis-benchmark said: {output[-300:]}")
    return sum(requests / float(rate) for rate in rates)


def redis_time(prefix, folder, requests):
    def contender():
        with redis_server(prefix, folder) as path:
            return redis_load(path, requests)

    return contender


def redis_stops(ctx, folder, requests):
    stats = os.path.join(folder, f"stats-{requests}.json")
    with redis_server(ctx.zxctl(), folder, {"ZXCTL_STATS": stats}) as path:
        redis_load(path, requests)
    return read_stats(stats)["stops"]


def redis(ctx):
    if not has("redis-server") or not has("redis-benchmark"):
        raise BenchError("redis is not installed")
    requests = ctx.count(50_000, 1_000)
    with tempfile.TemporaryDirectory() as folder:
        ratio, ours, theirs = compare(
            redis_time(ctx.zxctl(), folder, requests), redis_time([], folder, requests), ctx.pairs)
        row = Row("redis", f"redis-benchmark, {requests} SET and GET", "unsupervised", ratio, ctx.bound(1.05),
                  times={"zxctl": ours, "unsupervised": theirs})
        judge_stops(row, redis_stops(ctx, folder, requests // 10), redis_stops(ctx, folder, requests))
    return [row]


def make(ctx):
    with tempfile.TemporaryDirectory() as folder:
        project = data.make_project(os.path.join(folder, "project"), ctx.count(40, 4))
        env = {"CCACHE_DISABLE": "1"}

        def contender(prefix):
            def build():
                run(["make", "-s", "clean"], cwd=project)
                return run([*prefix, "make", "-s", "-j2"], env, cwd=project).wall_s

            return build

        ratio, ours, theirs = compare(contender(ctx.zxctl()), contender([]), ctx.pairs)
    return [Row("make", "make -j2 of a C project", "unsupervised", ratio, ctx.bound(1.06),
                times={"zxctl": ours, "unsupervised": theirs})]


# ---- much to do: against the bare follower ---------------------------------------------------------------------------


def follower_row(ctx, name, title, program, bound):
    ratio, ours, theirs = compare(
        inner_time([*ctx.zxctl(), *program]), inner_time([*ctx.bare(), *program]), ctx.pairs)
    others, notes = peers(ctx, program, {
        "unsupervised": [],
        "strace -f": ["strace", "-f", "-o", "/dev/null"],
        "gdb": gdb_run(),
    }, theirs)
    return Row(name, title, "bare follower", ratio, ctx.bound(bound) if bound else None,
               times={"zxctl": ours, "bare": theirs, **others}, notes=notes)


def fork(ctx):
    count, nothing = ctx.count(2_000, 50), ctx.program("bench_nothing")
    spawn = [ctx.program("bench_spawn")]
    return [
        follower_row(ctx, "fork", f"fork+exec+wait x{count}", [*spawn, "fork", count, nothing], 1.25),
        follower_row(ctx, "spawn", f"posix_spawn+wait x{count}", [*spawn, "spawn", count, nothing], None),
    ]


def thread(ctx):
    count = ctx.count(10_000, 200)
    return [follower_row(ctx, "thread", f"thread create+join x{count}", [ctx.program("bench_threads"), count], 1.15)]


def segv(ctx):
    count = ctx.count(100_000, 1_000)
    program = [ctx.program("bench_faults"), "segv", count]
    rows = []
    for name, title, wrap, bound in (
        ("segv-pinned", "SIGSEGV handled by the program, one CPU", pinned, 1.5),
        ("segv", "SIGSEGV handled by the program", list, 1.35),
    ):
        ratio, ours, theirs = compare(
            inner_time(wrap([*ctx.zxctl(), *program])), inner_time(wrap([*ctx.bare(), *program])), ctx.pairs)
        others, notes = peers(ctx, program, {
            "unsupervised": wrap([]),
            "strace": wrap(["strace", "-o", "/dev/null"]),
            "strace -e trace=none": wrap(["strace", "-o", "/dev/null", "-e", "trace=none"]),
            "gdb": wrap(gdb_run("handle SIGSEGV nostop noprint pass")),
        }, theirs)
        rows.append(Row(name, f"{title} x{count}", "bare loop", ratio, ctx.bound(bound),
                        times={"zxctl": ours, "bare": theirs, **others}, notes=notes))
    return rows


def int3(ctx):
    count = ctx.count(100_000, 1_000)
    program = [ctx.program("bench_faults"), "int3", count]
    ours = inner_time([*ctx.zxctl(), *program], env={"ZXCTL_BENCH_SKIP_INT3": "1"})
    theirs = inner_time([*ctx.bare("-i"), *program])
    rows = []
    for name, title, load, bound in (
        ("int3", "int3 skipped in the tracer, idle CPU", contextlib.nullcontext, 0.6),
        ("int3-busy", "the same with all CPUs busy", lambda: busy_cpus(ctx), 1.05),
    ):
        with load():
            ratio, first, second = compare(ours, theirs, ctx.pairs)
            others, notes = peers(ctx, program, {"bare that spins": ctx.bare("-i", "-s")}, second)
        rows.append(Row(name, f"{title} x{count}", "bare loop", ratio, ctx.bound(bound),
                        times={"zxctl": first, "bare": second, **others}, notes=notes))
    return rows


# ---- reports ---------------------------------------------------------------------------------------------------------


def report_row(ctx, name, title, program, pairs, wanted):
    """Start to end of: the report of a crash; gdb's backtraces of the same; and the crash alone, which both contain."""
    supervised = [*ctx.zxctl("--report=text"), program]
    debugger = [*GDB, "-ex", "run", "-ex", "thread apply all bt", "--args", program]
    death = -signal.SIGSEGV
    for argv, status in ((supervised, death), (debugger, 0)):
        output = run(argv, expect=status).output
        missing = [text for text in wanted if text not in output]
        if missing:
            raise BenchError(f"{argv[0]} does not name {missing}: {output[-600:]}")
    ratio, ours, theirs = compare(wall_time(supervised, expect=death), wall_time(debugger), pairs)
    alone = median_of(wall_time([program], expect=death), PEER_RUNS)
    net = (ours - alone) / (theirs - alone)
    return Row(name, title, "gdb, all backtraces", ratio, ctx.bound(0.3),
               times={"zxctl": ours, "gdb": theirs, "the crash alone": alone},
               notes=[f"without the crash itself: {net:.3f}"])


def report(ctx):
    if not has("gdb"):
        raise BenchError("gdb is not installed")
    parts, classes = ctx.count(240, 8), ctx.count(200, 10)
    big = data.big_program(ctx.data, parts, classes)
    size = os.path.getsize(big) / 1e6
    return [
        report_row(ctx, "report", "report of an 8-thread C++ program", ctx.program("bench_crash8"), ctx.pairs,
                   ["Total", "Descend", "main"]),
        report_row(ctx, "report-big", f"report of a {size:.0f} MB binary", big, ctx.pairs, ["Step_0001_0", "main"]),
    ]


# ---- many tracees ----------------------------------------------------------------------------------------------------


def event_time(ctx, prefix, threads, events):
    return inner_time([*prefix, ctx.program("bench_events"), threads, 1, events])


def tracees(ctx):
    events = ctx.count(20_000, 200)
    rows = []
    for threads in ctx.count((100, 1_000, 4_000), (20,)):
        ratio, many, one = compare(
            event_time(ctx, ctx.zxctl(), threads, events), event_time(ctx, ctx.zxctl(), 1, events), ctx.pairs)
        bare = median_of(event_time(ctx, ctx.bare(), threads, events), 1 if ctx.quick else PEER_RUNS)
        rows.append(Row(f"tracees-{threads}", f"one event among {threads} tracees", "itself at 1", ratio, ctx.bound(1.5),
                        times={"an event": many / events, "at 1": one / events, "bare": bare / events}))
    return rows


def status_field(path, name):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise BenchError(f"no {name} in {path}")


def tracer_memory(ctx, threads):
    """PSS and RSS of the tracer in KiB while a program with so many threads stands still."""
    argv = [*ctx.zxctl(), ctx.program("bench_events"), str(threads), "1", "1000"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            if line.startswith("ready="):
                break
        tracer = status_field(f"/proc/{program.pid}/status", "TracerPid")
        figures = status_field(f"/proc/{tracer}/smaps_rollup", "Pss"), status_field(f"/proc/{tracer}/status", "VmRSS")
        program.stdin.close()
        if program.wait(timeout=300) != 0:
            raise BenchError("bench_events failed")
    return figures


def memory(ctx):
    threads = ctx.count(4_000, 50)
    per_tracee, notes = [], []
    for _ in range(1 if ctx.quick else PEER_RUNS):
        pss_one, rss_one = tracer_memory(ctx, 1)
        pss_many, rss_many = tracer_memory(ctx, threads)
        per_tracee.append((pss_many - pss_one) / (threads - 1))
        notes = [f"tracer PSS {pss_one} KiB at 1, {pss_many} at {threads}; RSS {rss_one} and {rss_many}"]
    return [Row("memory", f"tracer memory per tracee, {threads} of them", "itself at 1", Spread.of(per_tracee),
                ctx.bound(TRACER_KIB_PER_TRACEE), unit="KiB", notes=notes)]


def hot_run(prefix, ctx, threads, hot, events):
    output = run([*prefix, ctx.program("bench_events"), threads, hot, events]).output
    values = parse_values(output)
    if values["handled"] != values["raised"]:
        raise BenchError(f"{values['raised'] - values['handled']} signals were lost")
    return values


def hot(ctx):
    threads, hot_threads, events = ctx.count(4_000, 50), ctx.count(64, 4), ctx.count(200, 20)
    runs = [hot_run(ctx.zxctl(), ctx, threads, hot_threads, events) for _ in range(ctx.count(5, 1))]
    bare = hot_run(ctx.bare(), ctx, threads, hot_threads, events)
    worst = Spread.of([values["max"] / 1e6 for values in runs])

    def describe(name, values):
        rate = values["raised"] / (values["ns"] / 1e9)
        return (f"{name}: {rate:.0f} events/s, p50 {values['p50'] / 1e3:.0f} us, p99 {values['p99'] / 1e3:.0f} us, "
                f"max {values['max'] / 1e6:.2f} ms")

    middle = sorted(runs, key=lambda values: values["ns"])[len(runs) // 2]
    longest = max(values["max"] for values in runs) / 1e6
    rate = statistics.median(values["raised"] / (values["ns"] / 1e9) for values in runs)
    return [Row("hot", f"latest of {hot_threads} hot among {threads}, none lost", "", worst, ctx.bound(MAX_LATENCY_MS), unit="ms",
                notes=[describe("zxctl", middle), describe("bare", bare),
                       f"median of {len(runs)} runs: {rate:.0f} events/s; latest of all {longest:.2f} ms"])]


# ---- objects of the library: no system call where nobody waits --------------------------------------------------------


def objects(ctx):
    count = ctx.count(1_000_000, 10_000)

    def contender(mode):
        return inner_time([ctx.program("bench_objects"), mode, count])

    rows = []
    for mode, title in (("handle", "handle duplicate + close"), ("port", "port queue + wait on one thread")):
        ratio, ours, theirs = compare(contender(mode), contender("eventfd"), ctx.pairs)
        rows.append(Row(f"objects-{mode}", title, "eventfd write + read", ratio, ctx.bound(1),
                        times={"zxtask": ours / count, "eventfd": theirs / count}))
    return rows


# ---- tasks as handles: the library and its tracer against two bare processes that take turns ---------------------------


def fault(ctx):
    count = ctx.count(10_000, 300)
    program = [ctx.program("bench_faults"), "int3", count]
    bare = ctx.program("bare_tasks")
    ours, theirs = [ctx.program("bench_tasks"), "chain", 1, 1, *program], [bare, "fault", *program]
    rows = []
    for name, title, wrap in (("fault-pinned", "fault, port, resume, one CPU", pinned), ("fault", "fault, port, resume", list)):
        ratio, first, second = compare(inner_time(wrap(ours)), inner_time(wrap(theirs)), ctx.pairs)
        others, notes = peers(ctx, program, {"bare that tells what happened": wrap([bare, "fault-told"])}, second)
        others = {peer: seconds / count for peer, seconds in others.items()}
        rows.append(Row(name, title, "bare loop + hand-over", ratio, ctx.bound(1.3),
                        times={"zxtask": first / count, "bare": second / count, **others}, notes=notes))
    return rows


def chain_time(ctx, depth, handlers, count):
    """Seconds of a fault in the innermost of so many jobs; the outermost has a handler, and so many others pass it on."""
    program = [ctx.program("bench_faults"), "int3", count]
    once = inner_time([ctx.program("bench_tasks"), "chain", depth, handlers, *program])
    return lambda: once() / count


def try_next(ctx):
    count, further = ctx.count(3_000, 100), 8
    one, many = chain_time(ctx, further + 1, 1, count), chain_time(ctx, further + 1, further + 1, count)
    turns = ctx.count(20_000, 500)
    hand_over = inner_time([ctx.program("bare_tasks"), "hand-over", turns])
    ratio, each, turn = compare(lambda: (many() - one()) / further, lambda: hand_over() / turns, ctx.pairs)
    deep, deep_time, flat_time = compare(chain_time(ctx, 30, 1, count), chain_time(ctx, 1, 1, count), ctx.pairs)
    return [
        Row("try-next", "each further handler: TRY_NEXT", "one hand-over", ratio, ctx.bound(1.2),
            times={"a handler": each, "a hand-over": turn}),
        Row("unbound-levels", "a fault below 29 jobs without handlers", "no such jobs", deep, ctx.bound(1.05),
            times={"29 unbound": deep_time, "none": flat_time}),
    ]


def suspend(ctx):
    count = ctx.count(10_000, 300)
    rows = []
    for name, title, program in (
        ("suspend", "suspend, wait, close: it sleeps", [ctx.program("bench_sleepers"), 1]),
        ("suspend-busy", "suspend, wait, close: it computes", [ctx.program("bench_loops"), "burn-aloud"]),
    ):
        ratio, ours, theirs = compare(
            inner_time([ctx.program("bench_tasks"), "suspend", count, *program]),
            inner_time([ctx.program("bare_tasks"), "suspend", count, *program]), ctx.pairs)
        rows.append(Row(name, title, "bare + 2 hand-overs", ratio, ctx.bound(1.2 if name == "suspend" else None),
                        times={"zxtask": ours / count, "bare": theirs / count}))
    return rows


def suspend_all(ctx):
    rows, per_thread = [], []
    for threads in ctx.count((100, 1_000, 4_000), (20, 60)):
        rounds = max(1, ctx.count(20_000, 200) // threads)
        program = [ctx.program("bench_sleepers"), threads]
        ratio, ours, theirs = compare(
            inner_time([ctx.program("bench_tasks"), "suspend-all", rounds, *program]),
            inner_time([ctx.program("bare_tasks"), "suspend-all", rounds, *program]), ctx.pairs)
        per_thread.append(f"{format_time(ours / rounds / threads)} of {threads} (bare {format_time(theirs / rounds / threads)})")
        rows.append(Row(f"suspend-{threads}", f"suspend and resume {threads} threads", "bare, all threads", ratio,
                        ctx.bound(1.25), times={"zxtask": ours / rounds, "bare": theirs / rounds}))
    rows[-1].notes.append("each thread: " + ", ".join(per_thread))
    return rows


# ---- threads and their registers ---------------------------------------------------------------------------------------


def against_bare_registers(ctx, mode, count, program):
    """The ratio and both times of one turn."""
    ratio, ours, theirs = compare(inner_time([ctx.program("bench_registers"), mode, count, *program]),
                                  inner_time([ctx.program("bare_registers"), mode, count, *program]), ctx.pairs)
    return ratio, {"zxtask": ours / count, "bare": theirs / count}


def start_thread(ctx):
    count = ctx.count(3_000, 50)
    ratio, times = against_bare_registers(ctx, "start", count, [ctx.program("bench_startee")])
    others, notes = peers(ctx, [ctx.program("bench_threads"), count], {"pthread_create + join": []}, times["bare"] * count)
    others = {peer: seconds / count for peer, seconds in others.items()}
    return [Row("start-thread", "thread created, started, ended", "remote clone by hand", ratio, ctx.bound(1.2),
                times={**times, **others}, notes=notes)]


def thread_state(ctx):
    ratio, times = against_bare_registers(ctx, "state", ctx.count(20_000, 300), [ctx.program("bench_sleepers"), 1])
    return [Row("thread-state", "write_state + read_state", "bare + 2 hand-overs", ratio, ctx.bound(1.2), times=times)]


def read_all(ctx):
    threads, rounds = ctx.count(1_000, 20), ctx.count(20, 3)
    ratio, times = against_bare_registers(ctx, "read-all", rounds, [ctx.program("bench_sleepers"), threads])
    return [Row("read-1000", f"read_state of {threads} threads", "bare loop", ratio, ctx.bound(1.2), times=times)]


# ---- guests: the library against a program that calls KVM itself ------------------------------------------------------


@dataclass
class GuestRow:
    """A mode of bench_guests and the same one of bare_kvm."""

    title: str
    against: str
    mode: str
    count: int
    quick: int
    bound: float


GUEST_ROWS = {
    "guest-out": GuestRow("OUT, and back", "KVM_RUN", "out", 20_000, 200, 1.08),
    "guest-mmio-write": GuestRow("store to a device, and back", "KVM_RUN", "store", 20_000, 200, 1.08),
    "guest-in": GuestRow("IN, answered", "KVM_RUN and its page", "in", 20_000, 200, 1.6),
    "guest-mmio-read": GuestRow("load from a device, answered", "KVM_RUN and its page", "load", 20_000, 200, 1.6),
    "guest-bell": GuestRow("bell, until all packets are taken", "ioeventfd, epoll", "ring", 32_000, 320, 1.1),
    "guest-read-state": GuestRow("read_state", "KVM_GET_REGS", "read", 50_000, 500, 0.3),
    "guest-write-state": GuestRow("write_state", "KVM_SET_REGS", "write", 50_000, 500, 0.3),
    "guest-kick": GuestRow("kick, until resume has returned", "a signal", "kick", 2_000, 20, 1.15),
    "guest-interrupt": GuestRow("interrupt, until its handler runs", "signal, KVM_INTERRUPT", "interrupt", 2_000, 20, 1.15),
    "guest-create": GuestRow("guest made, run once, ended", "KVM's ioctls", "create", 100, 5, 1.1),
    "guest-cpl3": GuestRow("user code that computes, a turn", "the host", "compute", 100_000_000, 1_000_000, 1.02),
}


def require_guests(ctx):
    """`zxctl guest info` knows, and says why not."""
    info = subprocess.run([os.path.join(ctx.bin, "zxctl"), "guest", "info"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)
    if info.returncode != 0:
        raise Skipped(info.stderr.strip())


def guest_time(ctx, program, mode, count):
    """Seconds of one turn."""
    once = inner_time([ctx.program(program), mode, count])
    return lambda: once() / count


def guest(ctx, name):
    require_guests(ctx)
    row = GUEST_ROWS[name]
    count = ctx.count(row.count, row.quick)
    ratio, ours, theirs = compare(
        guest_time(ctx, "bench_guests", row.mode, count), guest_time(ctx, "bare_kvm", row.mode, count), ctx.pairs)
    return [Row(name, row.title, row.against, ratio, ctx.bound(row.bound), times={"zxtask": ours, "bare": theirs})]


def guest_bell(ctx):
    rows = guest(ctx, "guest-bell")
    count = ctx.count(32_000, 320)
    ratio, bell, full = compare(
        guest_time(ctx, "bench_guests", "ring", count), guest_time(ctx, "bare_kvm", "store", count), ctx.pairs)
    return [*rows, Row("guest-bell-exit", "bell, until all packets are taken", "a store that exits", ratio, ctx.bound(0.6),
                       times={"a bell": bell, "an exit": full})]


ROWS = {function.__name__.replace("_", "-"): function
        for function in (cpu, getpid, pipe, redis, make, fork, thread, segv, int3, report, tracees, memory, hot, objects,
                         fault, try_next, suspend, suspend_all, start_thread, thread_state, read_all)}
ROWS |= {name: functools.partial(guest, name=name) for name in GUEST_ROWS} | {"guest-bell": guest_bell}
