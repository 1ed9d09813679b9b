"""SubnetRegressor beside what a user would pick instead: R^2 on held-out rows and fit time, in one process.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 SUBNETLAB_DATA=... python benchmarks/estimators.py [--splits 5] [--search]

Every model sits behind the same StandardScaler, and fits the same rows with one thread, so that CPU time is fit time
and neighbours on the machine do not count. Default parameters, medians over splits of R^2 and of the time relative to
MLPRegressor's on the same split; with --search also the best of six settings each, chosen by 3-fold cross-validation
on the training rows. The defaults of SubnetRegressor were chosen on other data, see docs/estimators.md.
"""

from __future__ import annotations

import argparse
import time
import warnings
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1, make_regression
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import subnetlab as sl

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_KERNEL_ROWS = 5000  # beyond that KernelRidge's matrix and time leave any comparison
LEARNING_RATES = [0.0003, 0.001, 0.003]


def arc_cosine(X: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """The kernel of one layer of infinitely many ReLU neurons (Cho and Saul 2009, order 1), with a constant column."""
    X, Z = (np.column_stack([A, np.ones(len(A))]) for A in (X, Z))
    norms = np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Z, axis=1))
    cosines = np.clip(X @ Z.T / norms, -1, 1)
    return norms * (np.sqrt(1 - cosines**2) + cosines * (np.pi - np.arccos(cosines))) / (2 * np.pi)


class ArcCosineRidge(KernelRidge):
    """KernelRidge with the arc-cosine kernel for whole matrices (its own callables go pair by pair)."""

    def _get_kernel(self, X: np.ndarray, Y: np.ndarray | None = None) -> np.ndarray:
        return arc_cosine(X, X if Y is None else Y)


MODELS: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "SubnetRegressor": (
        sl.SubnetRegressor(random_state=0),
        {"init_scale": [0.05, 0.3, 1.0], "rounds": [20, "auto"]},
    ),
    "MLPRegressor": (
        MLPRegressor(random_state=0),
        {"learning_rate_init": LEARNING_RATES, "early_stopping": [False, True]},
    ),
    "KernelRidge": (ArcCosineRidge(), {"alpha": [0.1, 1.0, 10.0, 30.0, 100.0, 300.0]}),
    "Ridge": (Ridge(), {"alpha": [0.1, 1.0, 10.0, 100.0, 300.0, 1000.0]}),
    "HistGradientBoosting": (
        HistGradientBoostingRegressor(random_state=0),
        {"learning_rate": [0.03, 0.1, 0.3], "max_leaf_nodes": [8, 31]},
    ),
}


def datasets() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    crime = sl.load_dataset("crime", n_samples="all", download=False)
    yield "crime", crime.X, crime.y
    yield "diabetes", *load_diabetes(return_X_y=True)
    yield "linear 20,000 x 100", *make_regression(20_000, 100, n_informative=50, noise=50.0, random_state=0)
    yield "Friedman 1 20,000 x 100", *make_friedman1(20_000, 100, noise=1.0, random_state=0)


def fitted(model: Any, X: np.ndarray, y: np.ndarray) -> tuple[Any, float]:
    start = time.process_time()
    model = clone(model).fit(X, y)
    return model, time.process_time() - start


def default(name: str, X: np.ndarray, y: np.ndarray, splits: int) -> tuple[list[float], list[float]]:
    """Return R^2 and seconds of each split."""
    model = make_pipeline(StandardScaler(), MODELS[name][0])
    scores, seconds = [], []
    for split in range(splits):
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=split)
        if name == "KernelRidge":
            X_train, y_train = X_train[:MOST_KERNEL_ROWS], y_train[:MOST_KERNEL_ROWS]
        trained, took = fitted(model, X_train, y_train)
        scores.append(trained.score(X_test, y_test))
        seconds.append(took)
    return scores, seconds


def searched(name: str, X: np.ndarray, y: np.ndarray) -> tuple[float, float, dict[str, Any]]:
    """Return R^2, seconds and the setting of a search over six settings on the first split."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model, grid = MODELS[name]
    step = type(model).__name__.lower()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), {f"{step}__{key}": values for key, values in grid.items()}, cv=3
    )
    trained, took = fitted(search, X_train, y_train)
    return trained.score(X_test, y_test), took, {key.split("__")[1]: v for key, v in trained.best_params_.items()}


def report(data: str, X: np.ndarray, y: np.ndarray, splits: int, search: bool) -> bool:
    print(f"\n{data}: {X.shape[0]} x {X.shape[1]}, {splits} splits")
    default("SubnetRegressor", X[:600], y[:600], 1)  # imports and first calls
    results = {name: default(name, X, y, splits) for name in MODELS}
    peer = results["MLPRegressor"]
    for name, (scores, seconds) in results.items():
        ratio = median(a / b for a, b in zip(seconds, peer[1], strict=True))
        print(
            f"  {name:22s} R^2 {median(scores):7.4f} ({min(scores):.3f} to {max(scores):.3f})  "
            f"{median(seconds):7.3f} s, {ratio:.2f} of MLPRegressor's time"
        )
    if search and len(X) <= MOST_KERNEL_ROWS:
        for name in MODELS:
            score, took, setting = searched(name, X, y)
            print(f"  {name:22s} R^2 {score:7.3f} after a search of {took:.1f} s: {setting}")
    scores, seconds = results["SubnetRegressor"]
    met = median(scores) >= median(peer[0]) and median(a / b for a, b in zip(seconds, peer[1], strict=True)) <= 0.5
    better = [name for name, (other, _) in results.items() if median(other) > median(scores)]
    print(f"  R^2 not below MLPRegressor's in at most half of its time: {'met' if met else 'NOT met'}")
    print(f"  more accurate with defaults: {', '.join(better) or 'none'}")
    return met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--search", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # MLPRegressor's defaults stop after 200 passes
    verdicts = [report(*data, arguments.splits, arguments.search) for data in datasets()]
    raise SystemExit(not all(verdicts))
