"""Kernels beside their peers, in one process: medians and ratios.

    OPENBLAS_NUM_THREADS=1 python benchmarks/kernels.py [--large]

Masked NTK: popcount of packed patterns against a float32 matrix product. Finite NTK: against torch.func.
Infinite NTK of 20,000 rows (--large, half a minute): its peak memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

import subnetlab as sl
from subnetlab.compiled.patterns import network_patterns, pack_mask, pack_patterns, pair_counts

if TYPE_CHECKING:
    from collections.abc import Callable


def seconds(run: Callable[[], object], repeats: int) -> float:
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def unit_rows(n: int, d: int) -> np.ndarray:
    X = np.random.default_rng(0).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def masked() -> None:
    n, d, m = 500, 100, 16_384
    X, net = unit_rows(n, d), sl.ShallowReLU.initialize(m, d)
    mask = sl.Bernoulli(1, 0.5).sample(0, 0, m)[0]
    active = X @ net.weights.T >= 0
    floats = active.astype(np.float32)
    words, mask_words = network_patterns(net.weights, X), pack_mask(mask)
    product = seconds(lambda: (floats * mask) @ floats.T, 9)
    product_alone = seconds(lambda: floats @ floats.T, 9)
    counted = seconds(lambda: pair_counts(words, mask_words), 41)
    packed = seconds(lambda: pack_patterns(active.T), 41)
    print(f"masked NTK n={n} m={m}: popcount {1e3 * counted:.2f} ms, packing {1e3 * packed:.2f} ms")
    print(f"  float32 product, masked  {1e3 * product:.1f} ms: {product / counted:.1f} times")
    print(f"  float32 product, no mask {1e3 * product_alone:.1f} ms: {product_alone / counted:.1f} times")


def finite() -> None:
    import torch

    n, d, m = 400, 100, 4000
    X, net = unit_rows(n, d), sl.ShallowReLU.initialize(m, d)
    ours = seconds(lambda: sl.finite_ntk(net, X), 21)
    weights, signs, rows = (
        torch.tensor(np.array(a), dtype=torch.float32) for a in (net.weights, net.output_weights, X)
    )

    def output(w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return (torch.relu(w @ x) @ signs) / m**0.5

    def theirs() -> torch.Tensor:
        jacobian = torch.func.vmap(torch.func.jacrev(output), in_dims=(None, 0))(weights, rows).flatten(1)
        return jacobian @ jacobian.T

    peer = seconds(theirs, 5)
    difference = np.max(np.abs(theirs().numpy() - sl.finite_ntk(net, X)))
    print(f"finite NTK n={n} m={m}: {1e3 * ours:.2f} ms; torch.func {1e3 * peer:.0f} ms: {peer / ours:.0f} times")
    print(f"  largest difference of an entry {difference:.1e}")


def certified() -> None:
    H = sl.infinite_ntk(unit_rows(2000, 100))
    took = seconds(lambda: sl.certified_smallest_eigenvalue(H), 5)
    estimate = seconds(lambda: sl.smallest_eigenvalue(H), 5)
    print(f"lambda_0 n=2000: certified {took:.2f} s, eigenvalue without proof {estimate:.2f} s")
    print(f"  {sl.certified_smallest_eigenvalue(H)} <= lambda_0, about {sl.smallest_eigenvalue(H)}")


def large() -> None:
    start = time.perf_counter()
    sl.infinite_ntk(unit_rows(20_000, 100))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"infinite NTK n=20000: {time.perf_counter() - start:.0f} s, peak memory of the process {peak:.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    masked()
    certified()
    finite()
    if arguments.large:
        large()
