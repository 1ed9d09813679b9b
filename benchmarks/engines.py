"""Engines beside PyTorch loops, each case in one run: medians of milliseconds per round, and ratios with their spread.

    python benchmarks/engines.py [--cases main kappa tau width million released tall compile threads] [--rounds 7]

Competitors take turns, a round each, on one thread, and their processor time is measured: what else runs on the
machine costs them cache at most. Ratios are medians over the turns, with the lower and upper quartile in brackets.
The cases million, released and threads are in wall time and want a quiet machine; seconds of processor
time stand beside them.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import subnetlab as sl
from subnetlab.engines.base import Problem
from subnetlab.engines.choice import Workload, choose_engine
from subnetlab.engines.table import create

XI, P = 0.5, 10
ENGINES = ("event", "lookup", "dual", "primal", "lookup float32", "dual float32", "primal float32")


class EngineLoop:
    """An engine as a competitor."""

    def __init__(self, name, X, y, weights, signs, selection_prob, *, dtype="float64", threads=1) -> None:
        self.engine = create(name, Problem(X, y, signs, selection_prob), dtype=dtype, threads=threads)
        self.state = self.engine.start(weights)

    def round(self, masks, step_size, local_steps) -> float:
        self.state, record = self.engine.round(self.state, masks, step_size, local_steps)
        return record.full_error


def crime() -> tuple[np.ndarray, np.ndarray]:
    data = sl.load_dataset("crime", n_samples=100, seed=0)
    return data.X, data.y


def unit_rows(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(-1, 1, n)


def competitors(X, y, m, kappa, engines, *, torch=True, threads=1):
    network = sl.ShallowReLU.initialize(m, X.shape[1], init_scale=kappa, seed=0)
    setting = (X, y, network.weights, network.output_weights, XI)
    found = {}
    for engine in engines:
        name, _, dtype = engine.partition(" ")
        found[engine] = EngineLoop(name, *setting, dtype=dtype or "float64", threads=threads)
    if torch:
        from torch_loops import torch_loops

        found |= torch_loops(*setting)
    return found


def take_turns(loops, m, step_size, tau, rounds, p=P) -> dict[str, np.ndarray]:
    """Milliseconds of each competitor's rounds, (rounds,); a first round is not counted."""
    law = sl.Bernoulli(p, XI)
    times = {name: [] for name in loops}
    errors = {}
    for k in range(rounds + 1):
        masks = law.sample(1, k, m)
        for name, loop in loops.items():
            start = time.process_time()
            errors[name] = loop.round(masks, step_size, tau)
            times[name].append(1e3 * (time.process_time() - start))
    spread = max(errors.values()) - min(errors.values())
    assert spread < 1e-3 * max(errors.values()), errors
    return {name: np.array(t[1:]) for name, t in times.items()}


def show(title: str, times: dict[str, np.ndarray], baseline: str) -> None:
    print(f"\n{title}")
    for name, t in sorted(times.items(), key=lambda item: np.median(item[1])):
        print(f"  {name:24s} {np.median(t):9.2f} ms   {ratio(t, times[baseline])} x {baseline}")


def ratio(slow: np.ndarray, fast: np.ndarray) -> str:
    quotients = slow / fast
    low, middle, high = np.percentile(quotients, [25, 50, 75])
    return f"{middle:7.2f} [{low:6.2f} {high:6.2f}]"


def verdict(what: str, value: float, target: str, met: bool) -> None:
    print(f"  {'met    ' if met else 'NOT MET'}  {what}: {value:.2f} (target {target})")


def against_torch(times, name: str, dense_target: float, direct_target: float) -> None:
    dense = np.median(times["torch dense float32"] / times[name])
    direct = {k: np.median(t) for k, t in times.items() if k.startswith(("torch", "primal"))}
    best = min(direct, key=direct.__getitem__)
    verdict("times faster than torch dense float32", dense, f">= {dense_target}", dense >= dense_target)
    quotient = np.median(times[best] / times[name])
    verdict(
        f"times faster than the best direct loop ({best})", quotient, f">= {direct_target}", quotient >= direct_target
    )


def automatic(X, y, m, kappa, step_size, tau, dtype="float64", p=P) -> str:
    scheme = sl.TrainingScheme(sl.Bernoulli(p, XI), rounds=200, local_steps=tau, step_size=step_size)
    problem = Problem(X, y, np.ones(m), XI)
    work = Workload.estimate(problem, scheme, init_scale=kappa, dtype=dtype)
    return choose_engine({"float32"} if dtype == "float32" else set(), work)


def case_main(rounds: int) -> None:
    X, y = crime()
    times = take_turns(
        competitors(X, y, 4000, 1.0, ENGINES),
        4000,
        0.02,
        10,
        rounds,
    )
    show("main: n = 100, d = 99, m = 4000, p = tau = 10, xi = .5, kappa = 1, eta = .02", times, "event")
    against_torch(times, "event", 18, 6)


def case_kappa(rounds: int) -> None:
    X, y = crime()
    times = take_turns(competitors(X, y, 4000, 0.1, ENGINES), 4000, 0.02, 10, rounds)
    show("kappa: the same with kappa = 0.1", times, "event")
    chosen = automatic(X, y, 4000, 0.1, 0.02, 10)
    against_torch(times, chosen, 4, 1.5)
    best = min(("event", "lookup", "dual", "primal"), key=lambda name: np.median(times[name]))
    loss = np.median(times[chosen] / times[best])
    verdict(f"auto ({chosen}) over the best float64 engine ({best})", loss, "<= 1.15", loss <= 1.15)


def case_tau(rounds: int) -> None:
    X, y = crime()
    short, long = {}, {}
    for tau, times in ((10, short), (80, long)):
        loops = competitors(X, y, 4000, 1.0, ("event",), torch=False)
        times |= take_turns(loops, 4000, 0.02, tau, rounds)
        show(f"tau = {tau}", times, "event")
    growth = np.median(long["event"]) / np.median(short["event"])
    verdict("growth of the event engine's time, tau 10 -> 80", growth, "< 4", growth < 4)


def case_width(rounds: int) -> None:
    from subnetlab.engines.event.engine import EventEngine

    spent = [0.0]

    def timed(method):
        def run(*arguments):
            start = time.process_time()
            result = method(*arguments)
            spent[0] += 1e3 * (time.process_time() - start)
            return result

        return run

    plain = EventEngine._prepare, EventEngine._local_phase
    EventEngine._prepare, EventEngine._local_phase = (timed(method) for method in plain)
    X, y = crime()
    inside = []
    for m in (4_000, 64_000):
        loop = competitors(X, y, m, 1.0, ("event",), torch=False)["event"]
        law, parts, whole = sl.Bernoulli(P, XI), [], []
        for k in range(rounds + 1):
            masks, spent[0] = law.sample(1, k, m), 0.0
            start = time.process_time()
            loop.round(masks, 0.02, 10)
            whole.append(1e3 * (time.process_time() - start))
            parts.append(spent[0])
        inside.append(np.median(parts[1:]))
        print(f"\nwidth: m = {m}: {np.median(whole[1:]):.2f} ms per round, {inside[-1]:.2f} ms inside the local phases")
    EventEngine._prepare, EventEngine._local_phase = plain
    growth = inside[1] / inside[0]
    verdict("growth of the time inside local phases, m 4,000 -> 64,000", growth, "< 6", growth < 6)


def case_million(rounds: int) -> None:
    script = (
        "import subnetlab as sl, time\n"
        "data = sl.load_dataset('crime', n_samples=100, seed=0)\n"
        "start = time.perf_counter()\n"
        "net = sl.ShallowReLU.initialize(1_000_000, data.X.shape[1], seed=0)\n"
        "scheme = sl.TrainingScheme(sl.Bernoulli(4, 0.5), rounds=20, local_steps=10, step_size=0.02)\n"
        "run = sl.train(net, data.X, data.y, scheme, threads=2)\n"
        "print(run.settings.engine, time.perf_counter() - start, run.history.full_error[-1])\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    engine, seconds, _ = result.stdout.split()
    busy = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"\nmillion: m = 1,000,000, p = 4, tau = 10, K = 20, two threads, engine {engine}")
    verdict(
        f"seconds with initialisation ({busy:.0f} of processor time)", float(seconds), "< 180", float(seconds) < 180
    )
    verdict("peak GiB", peak, "< 6", peak < 6)


def case_released(rounds: int) -> None:
    X, y = unit_rows(1000, 2048)
    net = sl.ShallowReLU.initialize(500, 2048, seed=0)
    scheme = sl.TrainingScheme(sl.Bernoulli(P, XI), rounds=20, local_steps=10)
    print("\nreleased: n = 1000, d = 2048, m = 500, p = tau = 10, K = 20, two threads")
    for dtype, target in (("float64", 8), ("float32", 4)):
        for engine in ("event", "lookup"):  # compiled, or its code read from the cache, before the clock runs
            if dtype == "float64" or engine == "lookup":
                sl.train(net, X[:64], y[:64], sl.gradient_descent(1, 0.1), engine=engine, dtype=dtype)
        start, busy = time.perf_counter(), time.process_time()
        run = sl.train(net, X, y, scheme, threads=2, dtype=dtype)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        verdict(
            f"seconds in {dtype} ({run.settings.engine}, {busy:.1f} of processor time)",
            seconds,
            f"< {target}",
            seconds < target,
        )


def case_tall(rounds: int) -> None:
    X, y = unit_rows(2000, 100)
    step_size = 1.0 / (0.5 * 0.33 * 2000 / 100 * 1.6)
    times = take_turns(
        competitors(X, y, 1000, 1.0, ("primal", "lookup", "dual", "event"), torch=False),
        1000,
        step_size,
        10,
        max(2, rounds // 3),
        p=2,
    )
    show("tall: n = 2000, d = 100, m = 1000, p = 2", times, "primal")
    chosen = automatic(X, y, 1000, 1.0, step_size, 10, p=2)
    loss = np.median(times[chosen]) / min(np.median(t) for t in times.values())
    verdict(f"auto ({chosen}) over the best", loss, "<= 1.05", loss <= 1.05)


def case_compile(rounds: int) -> None:
    script = (
        "import sys, time, numpy as np, subnetlab as sl\n"
        "net = sl.ShallowReLU.initialize(64, 3); scheme = sl.gradient_descent(1, 0.1)\n"
        "marks = [time.process_time()]\n"
        "import numba, subnetlab.training; marks.append(time.process_time())\n"
        "import scipy.linalg; marks.append(time.process_time())\n"
        "sl.train(net, np.eye(3), np.ones(3), scheme, engine=sys.argv[1]); marks.append(time.process_time())\n"
        "print(*np.diff(marks))\n"
    )
    print(
        "\ncompile: first use of an engine, seconds of processor time beside those of importing numba and scipy.linalg"
    )
    for engine in ("event", "lookup"):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            command = [sys.executable, "-c", script, engine]
            for what, target in (("compiled", 4.0), ("from the cache", 0.3)):
                runs = []
                for _ in range(1 if what == "compiled" else 3):
                    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                    runs.append([float(part) for part in result.stdout.split()])
                numba, scipy, rest = np.median(runs, axis=0)
                title = f"{engine} {what}, beside numba {numba:.2f} and scipy.linalg {scipy:.2f}"
                verdict(title, rest, f"< {target}", rest < target)


def case_threads(rounds: int) -> None:
    X, y = unit_rows(100, 100)
    print("\nthreads: event, n = d = 100, p = tau = 10, wall milliseconds of a round with one thread and with two")
    for kappa, m, target in ((1.0, 4000, 1.6), (0.1, 4000, 1.6), (1.0, 64000, 1.8)):
        network = sl.ShallowReLU.initialize(m, 100, init_scale=kappa, seed=0)
        loops = [EngineLoop("event", X, y, network.weights, network.output_weights, XI, threads=t) for t in (1, 2)]
        times, errors = np.empty((2, 5 * rounds)), np.empty(2)
        for k in range(5 * rounds):
            masks = sl.Bernoulli(P, XI).sample(0, k, m)
            for i, loop in enumerate(loops):
                start = time.perf_counter()
                errors[i] = loop.round(masks, 0.02, 10)
                times[i, k] = 1e3 * (time.perf_counter() - start)
            assert errors[0] == errors[1]
        one, two = np.median(times[:, rounds:], axis=1)
        verdict(f"m = {m}, kappa = {kappa}: {one:.1f} and {two:.1f} ms", one / two, f">= {target}", one / two >= target)


CASES = {name.removeprefix("case_"): case for name, case in list(globals().items()) if name.startswith("case_")}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}")
    try:
        import torch

        torch.set_num_threads(1)
        print(f"torch {torch.__version__}")
    except ImportError:
        print("torch is not installed: cases against it fail")
    for name in options.cases:
        with threadpool_limits(limits=2 if name == "released" else 1):
            CASES[name](options.rounds)


if __name__ == "__main__":
    main()
