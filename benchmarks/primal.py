"""The primal engine beside the bare matrix products of its local steps and a direct PyTorch version, in one process.

    python benchmarks/primal.py [--rounds 7] [--dtype float32] [--threads 1]

n = d = 100, m = 4000, p = tau = 10, xi = 0.5: each local step of a subnetwork of about 2000 neurons needs two
products, S X and W X'. Every repetition times one round of each competitor in turn, so that they meet the same
machine; medians and ratios are printed. PyTorch is left out if it is not installed.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

import subnetlab as sl
from subnetlab.engines.base import Problem
from subnetlab.engines.primal import LocalPhase, PrimalEngine

if TYPE_CHECKING:
    from collections.abc import Callable

N, D, M, P, TAU, XI, ETA = 100, 100, 4000, 10, 10, 0.5, 0.02

_NAMES = {
    "products": "bare matrix products",
    "local steps": "primal, local steps",
    "round": "primal, whole round",
    "torch gathered": "PyTorch, neurons gathered",
    "torch masked": "PyTorch, whole network masked",
}


class TimedPhase(LocalPhase):
    """The engine's local steps, with the time spent in them noted."""

    seconds = 0.0

    def steps(self, *args):
        start = time.perf_counter()
        errors = super().steps(*args)
        self.seconds += time.perf_counter() - start
        return errors


def bare_products(masks: np.ndarray, X: np.ndarray) -> Callable[[], None]:
    """The two products of every local step on arrays of the same shapes, made before the clock starts."""
    counts = masks.sum(axis=1)
    S = np.random.default_rng(0).standard_normal((counts.max(), N)).astype(X.dtype)
    W, Z = np.zeros((counts.max(), D), X.dtype), np.zeros((counts.max(), N), X.dtype)

    def run() -> None:
        for count in counts:
            for _ in range(TAU):
                np.dot(S[:count], X, out=W[:count])
                np.dot(W[:count], X.T, out=Z[:count])

    return run


def torch_round(W, a, X, y, masks, *, gather: bool):
    """One round of Algorithm 1 as one would write it in PyTorch, the gradient explicit; returns W and the errors."""
    import torch

    root = len(a) ** 0.5
    total = torch.zeros_like(W)
    errors = []
    for mask in masks:
        W_l = W[mask] if gather else W.clone()
        signs = a[mask] if gather else a * mask
        for _ in range(TAU):
            Z = W_l @ X.T
            residual = (signs @ torch.relu(Z)) / root - y
            errors.append(float(residual @ residual))
            W_l -= (ETA / root) * ((signs[:, None] * (Z >= 0) * residual) @ X)
        residual = (signs @ torch.relu(W_l @ X.T)) / root - y
        errors.append(float(residual @ residual))
        if gather:
            total[mask] += W_l - W[mask]
        else:
            total += W_l - W
    held = masks.sum(0)
    eta_r = held.clamp(max=1) / held.clamp(min=1)
    return W + eta_r[:, None] * total, errors


def torch_competitors(W, a, X, y, dtype: str, threads: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(threads)
    kind = getattr(torch, dtype)
    W, a, X, y = (torch.as_tensor(np.array(array), dtype=kind) for array in (W, a, X, y))

    def competitor(gather: bool) -> Callable[[np.ndarray], np.ndarray]:
        def run(masks: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return torch_round(W, a, X, y, torch.from_numpy(masks), gather=gather)[0].numpy()

        return run

    return {"torch gathered": competitor(True), "torch masked": competitor(False)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.uniform(-1, 1, N)
    network = sl.ShallowReLU.initialize(M, D)
    masks = sl.Bernoulli(P, XI).sample(0, 0, M)

    engine = PrimalEngine(Problem(X, y, network.output_weights, XI), dtype=options.dtype, threads=options.threads)
    phase = engine._phase = TimedPhase(X.astype(options.dtype), y, M)
    products = bare_products(masks, X.astype(options.dtype))
    rivals = torch_competitors(network.weights, network.output_weights, X, y, options.dtype, options.threads)
    times: dict[str, list[float]] = {name: [] for name in ["products", "local steps", "round", *rivals]}

    def timed(name: str, run: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = run()
        times[name].append(time.perf_counter() - start)
        return result

    with threadpool_limits(limits=options.threads):
        for repetition in range(options.rounds + 1):  # the first warms up
            timed("products", products)
            state = engine.start(network.weights)
            phase.seconds = 0.0
            state, _ = timed("round", lambda state=state: engine.round(state, masks, ETA, TAU))
            times["local steps"].append(phase.seconds)
            for name, rival in rivals.items():
                W = timed(name, lambda rival=rival: rival(masks))
                apart = np.abs(W - engine.weights(state)).max()
                assert apart < 1e-4, f"{name} computes something else: weights differ by {apart}"
            if repetition == 0:
                for values in times.values():
                    values.clear()

    typical = {name: median(values) for name, values in times.items()}
    gflop = 4e-9 * TAU * N * D * masks.sum()
    print(f"n = {N}, d = {D}, m = {M}, p = {P}, tau = {TAU}, xi = {XI}, {options.dtype}, {options.threads} thread(s)")
    print(f"{gflop:.2f} Gflop in the local steps of one round; medians of {options.rounds}")
    for name, seconds in typical.items():
        share = typical["products"] / seconds
        print(
            f"{_NAMES[name]:30s} {1e3 * seconds:8.1f} ms {gflop / seconds:7.1f} Gflop/s  {share:4.0%} of the products"
        )
    for name in rivals:
        print(f"primal round is {typical[name] / typical['round']:.2f} times as fast as {_NAMES[name]}")


if __name__ == "__main__":
    main()
