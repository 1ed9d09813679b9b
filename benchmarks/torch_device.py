"""The torch engine on one device beside that device's matrix rate: python benchmarks/torch_device.py --device cuda

A round does 2 (tau sum_l m_l + m) n min(n, 2 d) operations in matrix products. The rate is that of products of two
4096 x 4096 matrices (1024 on the CPU). Medians of wall time over rounds, after one round of warming up.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from subnetlab.engines.base import Problem
from subnetlab.engines.table import create

CASES = {  # n, d, m, p, tau
    "the paper's": (100, 100, 4000, 10, 10),
    "wide": (100, 100, 64_000, 10, 10),
    "many rows": (2000, 100, 4000, 10, 10),
    "many features": (1000, 2048, 4000, 10, 10),
}


def seconds(call, device, repetitions):
    times = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def matrix_rate(device, dtype):
    size = 4096 if device == "cuda" else 1024
    A = torch.ones((size, size), dtype=getattr(torch, dtype), device=device)
    B = torch.empty_like(A)
    return 2 * size**3 / seconds(lambda: torch.mm(A, A, out=B), device, 10)


def round_time(case, device, dtype, repetitions):
    n, d, m, p, tau = case
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    problem = Problem(X, rng.uniform(-1, 1, n), rng.choice([-1.0, 1.0], m), 0.5)
    engine = create("torch", problem, dtype=dtype, threads=1, device=device)
    state, masks = engine.start(rng.standard_normal((m, d))), rng.random((p, m)) < 0.5
    taken = seconds(lambda: engine.round(state, masks, 0.02, tau), device, repetitions)  # the state moves in place
    return taken, 2 * (tau * masks.sum() + m) * n * min(n, 2 * d) / taken


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error(f"torch {torch.__version__} finds no CUDA device")
    torch.set_num_threads(options.threads)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} thread(s)"
    print(f"torch {torch.__version__}, {where}")
    for dtype in ("float64", "float32"):
        rate = matrix_rate(options.device, dtype)
        print(f"\n{dtype}: matrix rate {rate / 1e9:.0f} Gflop/s")
        for name in options.cases:
            taken, reached = round_time(CASES[name], options.device, dtype, options.rounds)
            print(f"  {name:<14} {1e3 * taken:9.1f} ms per round, {100 * reached / rate:5.1f} % of the rate")


if __name__ == "__main__":
    main()
