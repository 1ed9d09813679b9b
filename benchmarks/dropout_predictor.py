"""The limit of dropout as a predictor of new rows, beside kernel ridge regression and the trained network.

    SUBNETLAB_DATA=... python benchmarks/dropout_predictor.py  # some minutes

Errors are mean squares on test rows over the variance of the test targets (1 is as bad as the mean). Ridge parameters
are chosen on the training rows by leave-one-out. Networks: m = 1,000, kappa = 0.1, dropout with xi = 0.5 and four
subnetworks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import make_friedman1

import subnetlab as sl
from subnetlab.theory.dropout_limit import dropout_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    Kernel = Callable[[np.ndarray], np.ndarray]

M, KAPPA, XI, ROUNDS = 1000, 0.1, 0.5, (100, 1000, 10_000)
SEEDS = range(3)


def data_sets(seed: int) -> dict[str, tuple[np.ndarray, ...]]:
    """Return (X, y, new X, new y) by name: unit rows, targets of mean 0 and variance 1 on the training rows."""
    sets = {}
    for name, n, new in (("crime", 100, 500), ("diabetes", 200, 200)):
        data = sl.load_dataset(name, n_samples=n, n_validation=new, seed=seed)
        sets[name] = (data.X, data.y, data.X_validation, data.y_validation)
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((600, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    wave = np.sin(4 * rows[:, 0]) + rows[:, 1] * rows[:, 2] + 0.3 * rng.standard_normal(600)
    sets["waves"] = (rows[:100], wave[:100], rows[100:], wave[100:])
    X, y = make_friedman1(600, noise=1.0, random_state=seed)
    X = np.column_stack([X - 0.5, np.ones(600)])
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    sets["friedman"] = (X[:100], y[:100], X[100:], y[100:])
    return {name: scaled(*parts) for name, parts in sets.items()}


def scaled(X: np.ndarray, y: np.ndarray, new: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give the targets mean 0 and variance 1 on the training rows."""
    return X, (y - y.mean()) / y.std(), new, (truth - y.mean()) / y.std()


def kernel_ridge(
    X: np.ndarray, y: np.ndarray, new: np.ndarray, kernel: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return predictions of kernel ridge regression, lambda by leave-one-out on the training rows."""
    K = kernel(np.vstack([X, new]))
    values, V = np.linalg.eigh(K[: len(X), : len(X)])
    best = (np.inf, np.empty(0))
    for ridge in np.trace(K[: len(X), : len(X)]) / len(X) * np.logspace(-8, 2, 41):
        inverse = (V / (np.maximum(values, 0) + ridge)) @ V.T
        left_out = np.mean((inverse @ y / np.diag(inverse)) ** 2)
        best = min(best, (left_out, K[len(X) :, : len(X)] @ (inverse @ y)), key=lambda pair: pair[0])
    return best[1]


def predictions(X: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return what each method says of the new rows."""
    net = sl.ShallowReLU.initialize(M, X.shape[1], KAPPA, seed=seed)
    said = {
        "limit of dropout": dropout_limit(net, X, y, XI).predict(new),
        "NTK, ridge": kernel_ridge(X, y, new, sl.infinite_ntk),
        "linear, ridge": kernel_ridge(X, y, new, lambda rows: rows @ rows.T),
    }
    K = sl.infinite_ntk(np.vstack([X, new]))
    said["NTK, no ridge"] = K[len(X) :, : len(X)] @ np.linalg.solve(K[: len(X), : len(X)], y)
    scheme = sl.multi_sample_dropout(4, XI, rounds=max(ROUNDS))
    session = sl.TrainingSession(net, X, y, scheme, seed=seed, record="none")
    for k in range(1, max(ROUNDS) + 1):
        session.advance()
        if k in ROUNDS:
            said[f"network, {k:,} rounds"] = session.network.output(new, XI)
    return said


def main() -> None:
    """Print test errors, and how far each method is from the network."""
    errors, far = {}, {}
    for seed in SEEDS:
        for name, (X, y, new, truth) in data_sets(seed).items():
            said = predictions(X, y, new, seed)
            for method, u in said.items():
                errors.setdefault((method, name), []).append(np.mean((u - truth) ** 2) / np.var(truth))
                for k in ROUNDS:
                    distance = np.linalg.norm(u - said[f"network, {k:,} rounds"]) / np.linalg.norm(truth)
                    far.setdefault((method, name, k), []).append(distance)
    names, methods = sorted({name for _, name in errors}), list(dict.fromkeys(method for method, _ in errors))
    print("| test error | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for method in methods:
        values = (errors[method, name] for name in names)
        cells = (f"{np.mean(v):.3g} ± {np.std(v) / len(v) ** 0.5:.2g}" for v in values)
        print(f"| {method} | " + " | ".join(cells) + " |")
    print(f"\n| distance from the network after {ROUNDS} rounds | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for method in methods:
        cells = (", ".join(f"{np.mean(far[method, name, k]):.2f}" for k in ROUNDS) for name in names)
        print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
