"""How far float32 training departs from float64: the numbers of docs/numerics.md.

    python benchmarks/float32_error.py [--seeds 5] [--paper-size]

For each scheme, the largest over the seeds after 200 rounds of
    weights  max |W32 - W64| / max |W64|
    moved    |W32 - W64| / |W64 - W_0|, Frobenius norms
    errors   max over rounds of |E32 - E64| / max E64, E the error of the whole network and after local steps
"""

from __future__ import annotations

import argparse

import numpy as np

import subnetlab as sl

ROUNDS = 200
SCHEMES = {
    "gradient descent": (sl.AllNeurons(), 1),
    "dropout, xi = 0.5": (sl.Bernoulli(1, 0.5), 1),
    "multi-sample dropout, p = 10": (sl.Bernoulli(10, 0.5), 1),
    "Bernoulli, p = 10, tau = 10": (sl.Bernoulli(10, 0.5), 10),
    "IST, p = 4, tau = 10": (sl.Categorical(4), 10),
}


def problem(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated unit rows, as raw data has them: lambda_max of the kernel is a third of n."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(0, 1, n)


def departure(n: int, d: int, m: int, seed: int, scheme: sl.TrainingScheme) -> np.ndarray:
    """(weights, moved, errors) of one run."""
    X, y = problem(n, d, seed)
    network = sl.ShallowReLU.initialize(m, d, seed=seed)
    double, single = (
        sl.train(network, X, y, scheme, seed=seed, engine="primal", dtype=dtype) for dtype in ("float64", "float32")
    )
    W64, W32 = double.network.weights, single.network.weights
    errors = max(
        np.abs(getattr(single.history, name) - exact).max() / exact.max()
        for name in ("full_error", "local_error")
        for exact in [getattr(double.history, name)]
    )
    moved = np.linalg.norm(W32 - W64) / np.linalg.norm(W64 - network.weights)
    return np.array([np.abs(W32 - W64).max() / np.abs(W64).max(), moved, errors])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--paper-size", action="store_true", help="n = d = 100, m = 4000 (minutes)")
    options = parser.parse_args()
    n, d, m = (100, 100, 4000) if options.paper_size else (50, 30, 500)
    print(f"n = {n}, d = {d}, m = {m}, {ROUNDS} rounds, step_size 'auto', largest of {options.seeds} seeds")
    print(f"{'scheme':30s} {'weights':>9s} {'moved':>9s} {'errors':>9s}")
    for name, (masks, tau) in SCHEMES.items():
        scheme = sl.TrainingScheme(masks, rounds=ROUNDS, local_steps=tau)
        worst = np.max([departure(n, d, m, seed, scheme) for seed in range(options.seeds)], axis=0)
        print(f"{name:30s} {worst[0]:9.1e} {worst[1]:9.1e} {worst[2]:9.1e}", flush=True)


if __name__ == "__main__":
    main()
