"""A model of the time of a round, fitted to rounds measured here, checked on others, and what it predicts elsewhere.

    python benchmarks/distributed_scale.py measure --out rounds.json      4 network namespaces; needs root, 10 minutes
    python benchmarks/distributed_scale.py fit --out rounds.json          coefficients, held-out errors, predictions
    python benchmarks/distributed_scale.py error                          rounds to the same error, late workers
    python benchmarks/distributed_scale.py stragglers                     random delays, rounds that close early

Seconds of a round = a0 + a1 (operations per core) + a2 (bytes sent per worker / bandwidth) + a3 (messages in a row x
one-way delay), all non-negative. a0 and a1 belong to a method's code, a2 and a3 to the wire, so that all methods share
them; a2 near 1 says that the wire is used well.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent / "stress"))

from distributed import METHODS, run

TAU, WORKERS, CORES, FEATURES, SAMPLES = 10, 4, 2, 100, 100
# megabits per second, width, one-way delay in seconds
FITTED = [(20, 4000, 0), (100, 4000, 0), (400, 16000, 0), (100, 4000, 0.02), (50, 8000, 0.005)]
HELD_OUT = [(50, 4000, 0), (100, 16000, 0), (50, 4000, 0.01)]


def measure(out: Path, methods: list[str]) -> None:
    """Measure the methods everywhere; the file keeps what it holds of others."""
    from distributed_namespaces import machines

    known = json.loads(out.read_text()) if out.exists() else []
    rows: list[dict[str, Any]] = [row for row in known if row["method"] not in methods]
    for megabits, width, delay in [*FITTED, *HELD_OUT]:
        for method in methods:
            rounds = {"ist": 21, "local_sgd": 7, "ddp": 4}[method]
            options = argparse.Namespace(width=width, rounds=rounds, local_steps=TAU, target=0.0)
            with machines(WORKERS, delay) as made:
                for machine in made:
                    machine.limit(megabits)
                results = run(method, made, options, features=FEATURES)
            seconds = median(results[0]["seconds"][1:])
            rows.append({"megabits": megabits, "width": width, "delay": delay, "method": method, "seconds": seconds})
            print(
                f"{megabits:4d} Mbit/s m={width:6d} delay {1e3 * delay:3.0f} ms {method:<10} {seconds:7.3f} s",
                flush=True,
            )
            out.write_text(json.dumps(rows, indent=1))


def causes(method: str, width: int, p: int, megabits: float, delay: float, workers_per_core: float) -> np.ndarray:
    """Return the four terms of the model for a round, before their coefficients."""
    md, n, ring = width * FEATURES, SAMPLES, 2 * (1 - 1 / p)
    if method == "ist":
        operations = (4 * TAU + 4) * n * md / p
        sent = 4 * (1 - 1 / p) * md / p + (p - 1) * 8 * (n + TAU + 6)
        messages = 3  # weights, errors, costs
    else:
        operations = (4 * TAU + 2) * n / p * md
        reductions = TAU if method == "ddp" else 1
        sent = reductions * 4 * ring * md
        messages = reductions * 2 * (p - 1)
    return np.array([1.0, 1e-9 * operations * workers_per_core, sent / (megabits * 1e6 / 8), messages * delay])


def fit(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return the four coefficients of every method, by least squares of the relative errors."""
    from scipy.optimize import nnls

    used = [row for row in rows if _place(row) in FITTED]
    terms = np.zeros((len(used), 2 * len(METHODS) + 2))  # a0 and a1 of each method, a2, a3
    for i, row in enumerate(used):
        own = 2 * METHODS.index(row["method"])
        terms[i, [own, own + 1, -2, -1]] = _causes_here(row) / row["seconds"]
    a, _ = nnls(terms, np.ones(len(used)))
    return {method: a[[2 * i, 2 * i + 1, -2, -1]] for i, method in enumerate(METHODS)}


def _place(row: dict[str, Any]) -> tuple[float, int, float]:
    return row["megabits"], row["width"], row["delay"]


def _causes_here(row: dict[str, Any]) -> np.ndarray:
    return causes(row["method"], row["width"], WORKERS, row["megabits"], row["delay"], WORKERS / CORES)


def report(rows: list[dict[str, Any]]) -> None:
    found = fit(rows)
    print("method      a0 [s]  a1 [s/GFLOP]      a2      a3")
    for method, a in found.items():
        print(f"{method:<10} {a[0]:7.3f} {a[1]:13.4f} {a[2]:7.2f} {a[3]:7.2f}")
    for name, places in (("fitted", FITTED), ("held out", HELD_OUT)):
        for method in METHODS:
            mine = [row for row in rows if row["method"] == method and _place(row) in places]
            errors = [_causes_here(row) @ found[method] / row["seconds"] - 1 for row in mine]
            print(f"{name:<9} {method:<10} relative errors {', '.join(f'{100 * e:+.0f}%' for e in errors)}")
    for name, megabits, delay in (
        ("data centre, 10 Gbit/s, 50 us", 10_000, 5e-5),
        ("homes, 20 Mbit/s, 30 ms", 20, 0.03),
    ):
        for width in (65_536, 1_048_576):
            print(f"64 machines, {name}, m = {width}, tau = {TAU}: seconds per round")
            for method in METHODS:
                terms = causes(method, width, 64, megabits, delay, 1.0) * found[method]
                parts = ", ".join(f"{t:.3g}" for t in terms)
                print(f"  {method:<10} {terms.sum():9.3f}  (fixed, computing, bytes, delay: {parts})")


def rounds_to_error(target: float = 0.1) -> None:
    """Print the rounds that each method needs on 64 machines, simulated in one process, and what late workers cost."""
    from distributed import auto_step

    import subnetlab as sl

    loaded = sl.load_dataset("auto", n_samples=SAMPLES, seed=0)
    X, y, p, width = loaded.X, loaded.y, 64, 65_536
    goal = target * float(y @ y)
    network = sl.ShallowReLU.initialize(width, X.shape[1])
    scheme = sl.independent_subnets(p, 60, TAU, auto_step(X, y, sl.independent_subnets(p, 1, TAU)))
    error = sl.train(network, X, y, scheme, dtype="float32").history.full_error
    print(f"IST, p = {p}, m = {width}: {_first(error, goal)} rounds; error after 60: {error[-1] / (y @ y):.3f} |y|^2")
    eta = auto_step(X, y, sl.gradient_descent(1))
    small = sl.ShallowReLU.initialize(4096, X.shape[1])
    error = sl.train(small, X, y, sl.gradient_descent(600, eta)).history.full_error
    steps = _first(error, goal)
    print(f"DDP (gradient descent): {steps} steps, {-(-steps // TAU) if steps else None} rounds of {TAU}")
    smaller = sl.ShallowReLU.initialize(1024, X.shape[1])
    found = {times: _local_sgd(smaller, X, y, p, times * eta, goal) for times in (0.25, 0.5, 1, 2, 4, 8)}
    print(f"local SGD, {p} shards: rounds by its step over that of gradient descent: {found}")


def _first(errors: np.ndarray, goal: float) -> int | None:
    below = np.flatnonzero(np.asarray(errors) <= goal)
    return int(below[0]) if len(below) else None


def _local_sgd(
    network: Any, X: np.ndarray, y: np.ndarray, p: int, eta: float, goal: float, tau: int = TAU
) -> int | None:
    """Return the rounds to the goal of p copies, averaged every tau steps; copy s sees the rows s, s + p, ...

    Followed through Z, each row's preactivations in the copy that sees it: rows of one copy move each other by their
    inner products.
    """
    W, a, root = network.weights.copy(), network.output_weights, np.sqrt(network.width)
    copy = np.arange(len(X)) % p
    together = (X @ X.T) * (copy[:, np.newaxis] == copy)
    rate = eta * p / root
    for k in range(400):
        Z = X @ W.T
        error = np.sum((y - np.maximum(Z, 0) @ a / root) ** 2)
        if error <= goal or not error < 1e6:
            return k if error <= goal else None
        moves = np.zeros_like(Z)
        for _ in range(tau):
            gradient = (Z >= 0) * a * (np.maximum(Z, 0) @ a / root - y)[:, np.newaxis]
            Z -= rate * (together @ gradient)
            moves += gradient
        W -= rate / p * (moves.T @ X)
    return None


def late_workers() -> None:
    """Print the error when a share of the subnetworks is late in every round, at random."""
    from distributed import auto_step

    import subnetlab as sl
    from subnetlab.core.masks import FixedMasks

    loaded = sl.load_dataset("auto", n_samples=SAMPLES, seed=0)
    X, y, p, width, rounds = loaded.X, loaded.y, 8, 4096, 60
    network = sl.ShallowReLU.initialize(width, X.shape[1])
    law = sl.Categorical(p)
    eta = auto_step(X, y, sl.TrainingScheme(law, 1, TAU))
    rng = np.random.default_rng(0)
    for share in (0.0, 0.125, 0.25, 0.5):
        late = rng.random((rounds, p)) < share
        masks = np.array([law.sample(0, k, width) & ~late[k][:, np.newaxis] for k in range(rounds)])
        run = sl.train(network, X, y, sl.TrainingScheme(FixedMasks(masks, 1 / p), rounds, TAU, eta))
        error = run.history.full_error
        print(
            f"late {share:5.3f}: error / |y|^2 after 20, 40, 60 rounds: "
            + ", ".join(f"{error[k] / (y @ y):.4f}" for k in (20, 40, 60))
            + f"; 10% of |y|^2 after {_first(error, 0.1 * float(y @ y))} rounds"
        )


def stragglers(workers: int, mean: float, seeds: int) -> None:
    """Measure rounds whose workers are late at random, by the share that closes them."""
    options = argparse.Namespace(width=4096, rounds=80, local_steps=TAU, target=0.1)
    print(f"{workers} workers on {CORES} cores, p = {workers}, m = {options.width}, tau = {TAU}, float32")
    print(f"delays exponential with mean {mean} s; medians of {seeds} seeds")
    waits = np.cumsum(1 / np.arange(workers, 0, -1.0))  # for the first, the second, ... of them, over the mean
    for share in (1.0, 0.75, 0.5):
        found = []
        for seed in range(seeds):
            changes = {"delay": mean, "close_share": share, "seed": seed}
            first = run("ist", [None] * workers, options, **changes)[0]
            done = next((k for k, e in enumerate(first["errors"], 1) if e <= options.target * first["energy"]), None)
            seconds = sum(first["seconds"][:done]) if done else float("inf")
            found.append((np.mean(first["seconds"][1:]), done or float("inf"), seconds))
        each, rounds, seconds = np.median(found, axis=0)
        wait = mean * waits[int(np.ceil(share * workers)) - 1]
        print(
            f"share {share:4.2f}: {each:6.3f} s a round ({wait:.3f} of waiting by arithmetic), "
            f"{rounds:3.0f} rounds and {seconds:6.2f} s to a tenth of |y|^2",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("measure", "fit", "error", "stragglers"))
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--mean-delay", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, default=Path("rounds.json"))
    options = parser.parse_args()
    if options.action == "measure":
        measure(options.out, options.methods)
    elif options.action == "fit":
        report(json.loads(options.out.read_text()))
    elif options.action == "stragglers":
        stragglers(options.workers, options.mean_delay, options.seeds)
    else:
        rounds_to_error()
        late_workers()


if __name__ == "__main__":
    main()
