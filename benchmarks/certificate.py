"""The certificates of real runs beside their errors: where the bound is near, and where it says nothing.

    python benchmarks/certificate.py              # the tables of docs/derivations/certificate.md
    python benchmarks/certificate.py --rounds 20 --data crime  # a first look

Each line is one run with step_size="auto" and four subnetworks where the law takes a number: the error at the start and
at the end, the bound over the error, the bound by norms over the error, and which share of the patterns has crossed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import subnetlab as sl

SCHEMES = {
    "gradient descent": lambda K: sl.gradient_descent(rounds=K),
    "dropout, 0.5": lambda K: sl.dropout(0.5, rounds=K),
    "Bernoulli 4, 0.5, tau 5": lambda K: sl.TrainingScheme(sl.Bernoulli(4, 0.5), rounds=K, local_steps=5),
    "categorical 4, tau 5": lambda K: sl.independent_subnets(4, rounds=K, local_steps=5),
}
WIDTHS, SCALES = (100, 1000, 8000), (0.03, 0.3, 1.0)
HEADER = "| data | m | kappa | scheme | error | bound/error | by norms/error | start, masks, crossings | crossed |"


def data_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return four data sets of unit rows: two real, two random."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 10))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sets = {"random": (rows, rng.uniform(-1, 1, 40)), "smooth": (rows, np.sin(3 * rows[:, 0]))}
    for name in ("crime", "diabetes"):
        data = sl.load_dataset(name, n_samples=50, seed=0)
        sets[name] = (data.X, data.y)
    return sets


def line(name: str, X: np.ndarray, y: np.ndarray, m: int, kappa: float, label: str, rounds: int) -> str:
    """Return the row of one run."""
    net = sl.ShallowReLU.initialize(m, X.shape[1], kappa, seed=0)
    run = sl.train(net, X, y, SCHEMES[label](rounds), seed=0, record="none")
    c = sl.certify(run)
    parts = ", ".join(f"{part[-1]:.2g}" for part in (c.start, c.masks, c.crossings))
    changed = np.mean((net.weights @ X.T >= 0) != (run.network.weights @ X.T >= 0))
    return (
        f"| {name} | {m} | {kappa} | {label} | {c.measured[0]:.3g} -> {c.measured[-1]:.3g} | {c.ratio:.3g}"
        f"{' VACUOUS' if c.vacuous else ''} | {c.bound_by_norms[-1] / c.measured[-1]:.3g} | {parts} | {changed:.1%} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--data", nargs="+", default=["random", "smooth", "crime", "diabetes"])
    options = parser.parse_args()
    print(HEADER + "\n" + "|---" * (HEADER.count("|") - 1) + "|")
    began = time.process_time()
    sets = data_sets()
    for name in options.data:
        X, y = sets[name]
        for label in SCHEMES:
            for kappa in SCALES:
                for m in WIDTHS:
                    print(line(name, X, y, m, kappa, label, options.rounds), flush=True)
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
