"""The lazy prediction against training on Communities and Crime, cell by cell.

    SUBNETLAB_DATA=... OPENBLAS_NUM_THREADS=1 python benchmarks/prediction.py [--seeds 20] ...

For each cell the mean curve over mask seeds of one initial network is compared with the prediction. A round passes if
it is within 10 per cent or two standard errors. Printed: the share of rounds that pass, measured / predicted of
the average over rounds and at some rounds with its standard error, and the share of activation patterns that changed.
With few seeds the standard error itself is rough: mask noise is a few squared normal numbers, so means scatter skewed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time

import numpy as np

import subnetlab as sl


def cell(model, network, data, masks, tau, options):
    curves, changed = [], []
    for seed in range(options.seeds):
        scheme = sl.TrainingScheme(masks, rounds=options.rounds, local_steps=tau)
        watched = ("patterns",) if seed == 0 else ()
        run = sl.train(
            network, data.X, data.y, scheme, seed=seed, engine=options.engine, dtype=options.dtype, diagnostics=watched
        )
        curves.append(run.history.full_error)
        if seed == 0:
            changed = run.history.pattern_change
            predicted = sl.predict(model, scheme, run.settings.step_size).full_error
    curves = np.array(curves)
    mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / np.sqrt(options.seeds)
    passes = np.abs(mean - predicted) <= np.maximum(0.1 * predicted, 2 * error)
    averages = curves.mean(axis=1) / predicted.mean()
    overall = f"{averages.mean():.3f}±{averages.std(ddof=1) / np.sqrt(options.seeds):.3f}"
    rounds = [k for k in (5, 20, 50, 100, 200) if k <= options.rounds]
    ratios = " ".join(f"{mean[k] / predicted[k]:.3f}±{error[k] / predicted[k]:.3f}" for k in rounds)
    return (
        f"{passes.mean():4.0%} of rounds; average {overall}; at {rounds}: {ratios}; patterns changed {changed[-1]:.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--kappa", type=float, nargs="+", default=[1.0, 0.1])
    parser.add_argument("--p", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--xi", type=float, nargs="+", default=[0.2, 0.5, 0.8])
    parser.add_argument("--tau", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    data = sl.load_dataset("crime", n_samples=100, seed=0)
    for kappa, tau, p in itertools.product(options.kappa, options.tau, options.p):
        network = sl.ShallowReLU.initialize(options.width, data.X.shape[1], init_scale=kappa, seed=0)
        model = sl.lazy_model(network, data.X, data.y)
        laws = [sl.Bernoulli(p, xi) for xi in options.xi] + ([sl.Categorical(p)] if p > 1 else [])
        for masks in laws:
            start = time.perf_counter()
            line = cell(model, network, data, masks, tau, options)
            took = time.perf_counter() - start
            print(f"kappa={kappa} tau={tau} {masks}: {line} ({took:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
