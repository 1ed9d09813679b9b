"""The default prediction on rows of other shapes than those of prediction.py: correlated, smooth, in few dimensions.

    python benchmarks/prediction_rows.py [--seeds 16]

Each cell is trained with several mask seeds and predicted once. A round passes if the mean is within 10 per cent or
some standard errors of the prediction; what counts is the last third of the rounds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import subnetlab as sl

ROUNDS = 300
CELLS = (  # rows, dimensions, seed, kind of rows, kappa, masks, tau, m
    (10, 5, 101, "random", 1.0, sl.Bernoulli(4, 0.5), 1, 1000),
    (10, 5, 101, "random", 1.0, sl.Categorical(4), 5, 1000),
    (12, 4, 102, "correlated", 0.3, sl.Bernoulli(3, 0.35), 8, 2000),
    (12, 4, 102, "correlated", 0.3, sl.Categorical(3), 8, 2000),
    (6, 10, 103, "smooth", 2.0, sl.Bernoulli(2, 0.8), 3, 1500),
    (6, 10, 103, "smooth", 2.0, sl.Categorical(8), 3, 1500),
    (9, 3, 104, "random", 0.1, sl.Bernoulli(8, 0.2), 20, 2000),
    (9, 3, 104, "random", 0.1, sl.Categorical(2), 1, 2000),
)


def rows_and_targets(n: int, d: int, seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of norm 1: around a common direction where they are correlated, with targets of one coordinate."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    if kind == "correlated":
        X += 1.5 * rng.normal(size=d)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X, np.tanh(2 * X[:, 0]) if kind == "smooth" else rng.uniform(-1, 1, size=n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16)
    seeds = range(1000, 1000 + parser.parse_args().seeds)
    print("| rows | kappa | masks | tau | m | measured over predicted | within three, two | seconds |")
    print("|---" * 8 + "|")
    for n, d, seed, kind, kappa, masks, tau, m in CELLS:
        X, y = rows_and_targets(n, d, seed, kind)
        network = sl.ShallowReLU.initialize(m, d, init_scale=kappa, seed=seed)
        scheme = sl.TrainingScheme(masks, ROUNDS, tau)
        runs = [sl.train(network, X, y, scheme, seed=s, engine="event", record="rounds") for s in seeds]
        curves = np.array([run.history.full_error for run in runs])[:, -ROUNDS // 3 :]
        start = time.process_time()
        model = sl.lazy_model(network, X, y)
        predicted = sl.predict(model, scheme, runs[0].settings.step_size).full_error[-ROUNDS // 3 :]
        seconds = time.process_time() - start
        mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
        ratios = curves.mean(axis=1) / predicted.mean()
        away = np.abs(mean - predicted)
        three, two = (np.mean(away <= np.maximum(0.1 * predicted, k * error)) for k in (3, 2))
        print(
            f"| {n} x {d}, {kind} | {kappa} | {masks!r} | {tau} | {m:,} | {ratios.mean():.2f} ± "
            f"{ratios.std(ddof=1) / np.sqrt(len(ratios)):.2f} | {three:.0%} {two:.0%} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
