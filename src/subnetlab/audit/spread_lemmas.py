"""How far masks move outputs: Lemmas 3, 4, 24, 25, from exact moments, on Gaussian and on adversarial weights."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.network import ShallowReLU
from ..theory.moments import bernoulli_moments
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.arrays import FloatArray

N, M_WIDTH, KAPPA = 2, 40, 1.0
NARROW, SELDOM, DRAWS = 16, 0.02, 500  # m = p, which Lemma 3 allows, xi, and how many Gaussian networks
GRID = list(itertools.product((1, 2, 4, 8, 16), (0.05, 0.1, 0.2, 0.35, 0.5, 0.8)))


def activations() -> Iterator[tuple[str, FloatArray]]:
    """Yield squares s_ri^2, shape (m, n): Gaussian weights, and all the energy the lemmas allow in one neuron."""
    yield "Gaussian weights", np.maximum(ShallowReLU.initialize(M_WIDTH, N, KAPPA).weights, 0) ** 2
    concentrated = np.zeros((M_WIDTH, N))
    concentrated[0] = 2 * M_WIDTH * KAPPA**2
    yield "all energy in one neuron", concentrated


def _largest(p: int, xi: float, squares: FloatArray, lemma: str) -> float:
    """Return the left side of a lemma over its right side, at the worst neuron."""
    mo, m = bernoulli_moments(p, xi), len(squares)
    theta, v, e = float(mo.coverage), float(mo.pair_variance), float(mo.mean_step)
    T = squares.sum(axis=0)
    own = (1 - xi) ** 2 * squares
    if lemma == "25":
        return float(xi * (1 - xi) * T.sum() / m / (4 * xi * (1 - xi) * N * KAPPA**2))
    if lemma == "24":
        left = e / m * (xi * (1 - xi) * (T - squares) + own).sum(axis=1)
        return float(left.max() / (4 * theta**2 * (1 - xi) * N * KAPPA**2 / p))
    left = (v * (T - squares) + own).sum(axis=1) / m
    if lemma == "3":
        return float(left.max() / (8 * (theta - xi**2) * N * KAPPA**2 / p))
    # Lemma 4 at y = u: E|g_r|^2 = theta E|sum_i x_i (f_r - u)_i|^2 / m, at worst n |f_r - u|^2 (rows nearly the same)
    return float((N * theta * left).max() / (16 * theta * (theta - xi**2) * N**2 * KAPPA**2 / p))


def violations(lemma: str) -> tuple[float, float]:
    """Return the share of Gaussian networks that violate a lemma within its hypothesis, and the largest ratio.

    m = p = 16, xi = 0.02, two orthogonal rows; the hypothesis is sum_r <w_0r, x_i>^2 <= 2 m kappa^2, with R -> 0.
    """
    ratios = []
    for seed in range(DRAWS):
        weights = ShallowReLU.initialize(NARROW, N, KAPPA, seed=seed).weights
        if np.all(np.sum(weights**2, axis=0) <= 2 * NARROW * KAPPA**2):
            ratios.append(_largest(NARROW, SELDOM, np.maximum(weights, 0) ** 2, lemma))
    return float(np.mean(np.array(ratios) > 1)), max(ratios)


def _judge(lemma: str, claim: str, repair: str) -> Finding:
    worst = {}
    for name, squares in activations():
        worst[name] = max((_largest(p, xi, squares, lemma), p, xi) for p, xi in GRID if p <= M_WIDTH)
    share, ratio = violations(lemma)
    parts = [
        f"{name}, m={M_WIDTH}: largest ratio {ratio:.4g} (p={p}, xi={xi})" for name, (ratio, p, xi) in worst.items()
    ]
    parts.append(
        f"Gaussian weights, m=p={NARROW}, xi={SELDOM}: {100 * share:.0f}% of draws violate it, up to {ratio:.4g}"
    )
    top = max(ratio, *(w[0] for w in worst.values()))
    return Finding(claim, "false" if top > 1 else "holds", "; ".join(parts), top, repair if top > 1 else "")


def lemma3() -> Finding:
    """E[|f_r - u|^2 | N_perp = 1] <= 8 (theta - xi^2) n kappa^2 / p."""
    return _judge(
        "3",
        "E[|f_r - u|^2 | N_perp = 1] <= 8 (theta-xi^2) n kappa^2 / p",
        "n (4 kappa^2 v + (1-xi)^2 max s^2 / m), v = xi (1-xi) E[1/X | X>=1]",
    )


def lemma4() -> Finding:
    """E|g_r|^2 <= (2 n theta / m) |y-u|^2 + 16 theta (theta - xi^2) n^2 kappa^2 / (p m), tried at y = u."""
    return _judge(
        "4",
        "E|g_r|^2 <= 2 n theta/m |y-u|^2 + 16 theta (theta-xi^2) n^2 kappa^2/(p m)",
        "the second term with Lemma 3's repaired spread",
    )


def lemma24() -> Finding:
    """E[eta_r^2 sum_l m^l_r |u - uhat^l|^2] <= C1."""
    moments = bernoulli_moments(2, 0.5)
    true, paper = moments.mean_step, moments.paper_mean_step
    finding = _judge(
        "24",
        "E[eta_r] = theta^2/(p xi), and E[eta_r^2 sum m^l_r |u-uhat^l|^2] <= C1 = 4 theta^2 (1-xi) n kappa^2 / p",
        "n E[eta_r] (4 kappa^2 xi (1-xi) + (1-xi)^2 max s^2 / m)",
    )
    evidence = f"E[eta_r] at p=2, xi=1/2 is {true}, not {paper}; {finding.evidence}"
    return replace(finding, verdict="false" if true != paper else finding.verdict, evidence=evidence)


def lemma25() -> Finding:
    """E|u - uhat^l|^2 <= 4 xi (1-xi) n kappa^2."""
    finding = _judge("25", "E|u - uhat^l|^2 <= 4 xi (1-xi) n kappa^2", "")
    return replace(finding, evidence=f"it is xi (1-xi)/m sum s_ri^2 exactly, and Lemma 23. {finding.evidence}")
