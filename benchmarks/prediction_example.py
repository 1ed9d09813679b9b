"""One setting that is predicted and trained, as docs/theory.md prints it, and the price of predictions.

    python benchmarks/prediction_example.py                                  # the table of "What to expect"
    SUBNETLAB_DATA=... python benchmarks/prediction_example.py --price       # processor time by rows, crime data

Every number of the table is the mean over 20 rounds around the one named, and 20 mask seeds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from prediction import random_rows

import subnetlab as sl

ROUNDS, AROUND, SEEDS = (50, 200, 1000, 3000), 10, 20
PRICED = {30: 300, 100: 300, 300: 100}  # rows: rounds


def example() -> None:
    """Print plateau, both predictions, linearized training, and Algorithm 1."""
    X, y = random_rows(8, 6)
    network = sl.ShallowReLU.initialize(500, 6, seed=0)
    model = sl.lazy_model(network, X, y)
    largest = 0.5 * model.eigenvalues.max()  # of H = xi times the masked kernel
    scheme = sl.TrainingScheme(sl.Bernoulli(4, 0.5), ROUNDS[-1] + AROUND, 1, step_size=float(1 / largest))
    frozen, moving = (sl.predict(model, scheme, patterns=patterns) for patterns in ("frozen", "moving"))
    trained = {
        engine: np.array(
            [sl.train(network, X, y, scheme, seed=seed, engine=engine).history.full_error for seed in range(SEEDS)]
        )
        for engine in ("linearized", "event")
    }
    print(
        "| after rounds | plateau | frozen | linearized training | moving | Algorithm 1 |", "|---" * 6 + "|", sep="\n"
    )
    for k in ROUNDS:
        near = slice(k - AROUND, k + AROUND)
        linearized, real = (curves[:, near].mean(axis=1) for curves in trained.values())
        print(
            f"| {k:,} | {frozen.plateau:.3f} | {frozen.full_error[near].mean():.4f} | {measured(linearized)} | "
            f"{moving.full_error[near].mean():.4f} | {measured(real)} |"
        )


def measured(values: np.ndarray) -> str:
    """Return the mean over seeds with its standard error."""
    return f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def price() -> None:
    """Print the processor time of the default prediction of categorical masks on crime data."""
    for rows, rounds in PRICED.items():
        data = sl.load_dataset("crime", n_samples=rows, seed=0)
        model = sl.lazy_model(sl.ShallowReLU.initialize(4000, data.X.shape[1], seed=0), data.X, data.y)
        start = time.process_time()
        sl.predict(model, sl.TrainingScheme(sl.Categorical(4), rounds, 5, step_size=0.05), patterns="moving")
        print(f"{rows} rows, {rounds} rounds: {time.process_time() - start:.1f} s of processor time", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--price", action="store_true")
    (price if parser.parse_args().price else example)()


if __name__ == "__main__":
    main()
