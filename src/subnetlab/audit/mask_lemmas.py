"""Statements on masks alone, by enumeration: Lemmas 1, 2, 13, 14, 18 to 21."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import poisson

from ..theory.moments import bernoulli_moments
from .examples import TinyNetwork, bernoulli_masks, categorical_masks, step
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

NET = TinyNetwork()
CASES = [(1, Fraction(1, 2)), (2, Fraction(1, 2)), (2, Fraction(1, 3)), (3, Fraction(3, 4))]
HALF = Fraction(1, 2)


def lemma1() -> Finding:
    """E[f_r] = theta u + theta (1-xi) a_r s_r / sqrt m."""
    worst = Fraction(0)
    for (p, xi), r, i in itertools.product(CASES, range(3), range(2)):
        theta = bernoulli_moments(p, xi).coverage
        mean = sum(w * step(M, r) * sum(m[r] * NET.output(m, i) for m in M) for w, M in bernoulli_masks(p, 3, xi))
        right = theta * NET.full_output(xi, i) + theta * (1 - xi) * NET.signs[r] * NET.activations[r][i]
        worst = max(worst, abs(mean - right))
    why = "theta times Lemma 20, summed over the neurons r'"
    return _identity("E[f_r] = theta u + theta (1-xi)/sqrt(m) a_r s_r", why, worst)


def lemma2() -> Finding:
    """E[g_r] = (theta/xi) dL/dw_r + theta (1-xi)/m sum_i x_i s_ri, both sides times m."""
    worst = Fraction(0)
    for (p, xi), r, c in itertools.product(CASES, range(3), range(2)):
        theta = bernoulli_moments(p, xi).coverage
        left, right = Fraction(0), Fraction(0)
        for i in range(2):
            slope = NET.signs[r] * NET.rows[i][c] * NET.active[r][i]
            for w, M in bernoulli_masks(p, 3, xi):
                left += w * step(M, r) * sum(m[r] * (NET.output(m, i) - NET.targets[i]) for m in M) * slope
            right += theta * (NET.full_output(xi, i) - NET.targets[i]) * slope
            right += theta * (1 - xi) * NET.rows[i][c] * NET.activations[r][i]
        worst = max(worst, abs(left - right))
    why = "g_r is linear in f_r and N_perp, so it follows from Lemmas 1 and 18"
    return _identity("E[g_r] = (theta/xi) dL/dw_r + theta (1-xi)/m sum_i x_i s_ri", why, worst)


def lemma13() -> Finding:
    """|y - mean u^l|^2 = mean |y - u^l|^2 - (1/p^2) sum_{l<l'} |u^l - u^l'|^2."""
    worst = Fraction(0)
    for p in (2, 3):
        for _, M in categorical_masks(p, 3):
            f = [[Fraction(NET.output(m, i)) for i in range(2)] for m in M]
            mean = [sum((v[i] for v in f), Fraction(0)) / p for i in range(2)]
            left = _square(NET.targets, mean)
            pairs = sum((_square(f[a], f[b]) for a in range(p) for b in range(a)), Fraction(0))
            worst = max(worst, abs(left - sum((_square(NET.targets, v) for v in f), Fraction(0)) / p + pairs / p**2))
    claim = "|y-u_{k+1}|^2 = mean |y-uhat^l|^2 - (1/p^2) sum_{l'<l} |uhat^l - uhat^l'|^2 (categorical)"
    return _identity(claim, "u_{k+1} is the mean of the uhat^l: a mean of squares is variance plus square", worst)


def lemma14() -> Finding:
    """Sum |u - u^l|^2 = (1/p) sum_{l<l'} |u^l - u^l'|^2."""
    worst = Fraction(0)
    for p in (2, 3):
        for _, M in categorical_masks(p, 3):
            f = [[Fraction(NET.output(m, i)) for i in range(2)] for m in M]
            u = [NET.full_output(Fraction(1, p), i) for i in range(2)]
            pairs = sum((_square(f[a], f[b]) for a in range(p) for b in range(a)), Fraction(0))
            worst = max(worst, abs(sum((_square(u, v) for v in f), Fraction(0)) - pairs / p))
    why = "u is the mean of the uhat^l: a variance is half the mean square of differences"
    return _identity("sum_l |u-uhat^l|^2 = (1/p) sum_{l'<l} |uhat^l - uhat^l'|^2 (categorical)", why, worst)


def lemma18() -> Finding:
    """P(N_perp = 1) = theta."""
    worst = max(
        abs(sum(w for w, M in bernoulli_masks(p, 1, xi) if step(M, 0)) - (1 - (1 - xi) ** p)) for p, xi in CASES
    )
    return _identity("P(N_perp = 1) = theta = 1 - (1-xi)^p", "p independent draws, none of which selects", worst)


def lemma19() -> Finding:
    """E[(nu_rr - xi)^2] <= theta - xi^2, and not so given X_r >= 1."""
    grid = [(p, Fraction(j, 10)) for p in (1, 2, 5) for j in range(1, 10)]
    ratio = max(float(m.own_spread / (m.coverage - m.selection_prob**2)) for m in (bernoulli_moments(*c) for c in grid))
    conditional = (1 - Fraction(1, 4)) ** 2 / (Fraction(1, 4) - Fraction(1, 16))  # p = 1, xi = 1/4
    return Finding(
        "E[(nu_rr - xi)^2] <= theta - xi^2",
        "holds" if ratio <= 1 else "false",
        f"as theta >= xi; largest ratio {ratio:.4g}. Lemma 3 uses it given N_perp = 1, where the left side is "
        f"(1-xi)^2: p=1, xi=1/4 gives ratio {conditional}",
        ratio,
        "given N_perp = 1: E[(nu_rr - xi)^2] = (1-xi)^2",
    )


def lemma20() -> Finding:
    """E[nu_{r,r'} | N_perp = 1] is xi for r' != r and 1 for r' = r."""
    worst = Fraction(0)
    for p, xi in CASES:
        theta = bernoulli_moments(p, xi).coverage
        for other, right in ((1, xi), (0, Fraction(1))):
            mean = sum(w * step(M, 0) * sum(m[0] * m[other] for m in M) for w, M in bernoulli_masks(p, 2, xi))
            worst = max(worst, abs(mean / theta - right))
    why = "nu_rr = N_perp, and for r' != r the m^l_r' are independent of what neuron r draws, with mean xi"
    return _identity("E[nu_{r,r'} | N_perp = 1] = xi (r' != r), 1 (r' = r)", why, worst)


def lemma21() -> Finding:
    """Var(nu_{r,r'} | N_perp = 1) = (theta - xi^2)/p."""
    pair = bernoulli_moments(2, HALF)
    second = sum(w * (step(M, 0) * sum(m[0] * m[1] for m in M)) ** 2 for w, M in bernoulli_masks(2, 2, HALF))
    true = second / Fraction(3, 4) - HALF**2
    printed = (Fraction(3, 4) - HALF**2) / 2
    upper = [
        (float(m.pair_variance / m.paper_pair_variance), p)
        for p in range(1, 21)
        for m in (bernoulli_moments(p, Fraction(j, 40)) for j in range(1, 40))
    ]
    first_p = min((p for ratio, p in upper if ratio > 1), default=0)
    limit, mean = many_subnetworks()
    return Finding(
        "Var(nu_{r,r'} | N_perp = 1) = (theta - xi^2)/p",
        "false" if true != printed else "exact",
        f"p=2, xi=1/2, all 16 masks of two neurons: {true}, not {printed}; an upper bound only below p = {first_p}, "
        f"worst factor {max(upper)[0]:.4g} up to p = 20, {limit:.4g} for p -> infinity at p xi = {mean:.3g}. Its proof "
        f"takes E[1/X | X>=1] = theta/(p xi): at p=2, xi=1/2 the truth is {pair.mean_reciprocal}, not "
        f"{pair.paper_mean_reciprocal}",
        limit,
        "xi (1-xi) E[1/X | X>=1], X ~ Bin(p, xi)",
    )


def many_subnetworks() -> tuple[float, float]:
    """Return the worst factor of Lemma 21 for p -> infinity, and p xi = t there.

    X is Poisson(t) then, and the factor t E[1/X | X >= 1] / (1 - exp(-t)).
    """
    counts = np.arange(1, 200)
    means = np.linspace(0.5, 10, 1901)
    inverse = np.array([np.sum(poisson.pmf(counts, t) / counts) for t in means])
    factors = means * inverse / (1 - np.exp(-means)) ** 2
    worst = int(np.argmax(factors))
    return float(factors[worst]), float(means[worst])


def _square(a: Sequence[Fraction | int], b: Sequence[Fraction | int]) -> Fraction:
    return sum((Fraction(x - y) ** 2 for x, y in zip(a, b, strict=True)), Fraction(0))


def _identity(claim: str, why: str, worst: Fraction) -> Finding:
    verdict = "exact" if worst == 0 else "false"
    return Finding(claim, verdict, f"{why}. All masks of 3 neurons, rational numbers: largest difference {worst}", None)
