"""Statements on the initial weights and on inequalities: Lemmas 16, 17, 22, 23, 26 and Properties 1 to 5."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf
from scipy.stats import binom, chi2, norm

from ..core.network import ShallowReLU
from .examples import random_data
from .finding import Finding, bound_finding


def lemma16() -> Finding:
    """P(|S_i^perp| > 4 m R / kappa for some i) <= n exp(-m R / kappa); binomial tails, exact for one row."""
    ratios = []
    for m in (10, 100, 1000, 10_000):
        for radius in (1e-4, 1e-3, 1e-2, 0.05):
            tail = binom.sf(math.floor(4 * m * radius), m, erf(radius / math.sqrt(2)))
            ratios.append(tail / math.exp(-m * radius))
    return bound_finding(
        "|S_i^perp| <= 4 m R/kappa with probability 1 - n exp(-m R/kappa)",
        float(max(ratios)),
        "binomial tails",
        proof="Bernstein's inequality with mean and variance at most m R/kappa and an excess of 3 m R/kappa gives "
        "exp(-9 m R/(4 kappa)) per row",
    )


def lemma17() -> Finding:
    """|H_perp|_2 <= 4 n xi R / kappa if |S_i^perp| <= 4 m R / kappa: each entry is at most xi |S_i^perp| / m."""
    n, d, m, radius = 4, 3, 400, 0.05
    ratios = []
    for seed in range(50):
        X, _ = random_data(n, d, seed)
        z = ShallowReLU.initialize(m, d, seed=seed).weights @ X.T
        near = np.abs(z) < radius
        share = near.sum(axis=0).max() / m  # the lemma's 4 R / kappa, as tight as it can be
        H = (X @ X.T) * np.einsum("ri,ri,rj->ij", near, z >= 0, z >= 0) / m
        ratios.append(np.linalg.norm(H, 2) / (n * share))
    return bound_finding(
        "|H_perp|_2 <= 4 n xi R/kappa",
        max(ratios),
        "50 random networks",
        proof="each entry is at most xi |S_i^perp|/m",
    )


def lemma22() -> Finding:
    """P(|W_0|_F > kappa sqrt(2 m d) - sqrt m R) <= exp(-m d / 32) for R <= kappa sqrt(d/32)."""
    sizes = [1, 2, 5, 10, 100, 1000, 5000]
    ratios = [chi2.sf((math.sqrt(2) - math.sqrt(1 / 32)) ** 2 * s, s) / math.exp(-s / 32) for s in sizes]
    return bound_finding(
        "|W_0|_F <= kappa sqrt(2md) - sqrt(m) R with probability 1 - exp(-md/32)",
        float(max(ratios)),
        "chi-square tails",
        proof="Chernoff's bound gives exp(-0.052 md)",
    )


def lemma23() -> Finding:
    """P(sum_r <w_0r, x>^2 > 2 m kappa^2 - m R^2) <= n exp(-m/32) for R <= kappa / sqrt 2; the scan has exp(-m/8)."""
    sizes = [1, 2, 5, 10, 100, 1000]
    right = float(max(chi2.sf(1.5 * m, m) / math.exp(-m / 32) for m in sizes))
    scan = chi2.sf(150, 100) / math.exp(-100 / 8)
    return Finding(
        "sum_r <w_0r, x_i>^2 <= 2 m kappa^2 - m R^2 with probability 1 - n exp(-m/32)",
        "holds" if right <= 1 else "false",
        f"chi-square tails; Chernoff gives exp(-0.047 m): largest ratio {right:.4g}. With exp(-m/8), as the scan "
        f"reads, it fails: m=100 gives {scan:.4g}",
        right,
    )


def lemma26() -> Finding:
    """E|y - u_0|^2 = |y|^2 + n xi^2 kappa^2 / 2 <= C^2 n: needs xi^2 kappa^2 <= 2 (2 C - 1)."""
    grid = [(C, kappa) for C in (1.0, 1.5, 2.0, 5.0) for kappa in (0.1, 0.5, 1.0)]
    ratio = max(((C - 1) ** 2 + kappa**2 / 2) / C**2 for C, kappa in grid)
    return Finding(
        "E|y - u_0|^2 <= C^2 n (for kappa <= 1, which Lemmas 22 and 23 assume)",
        "holds" if ratio <= 1 else "false",
        f"the left side is |y|^2 + n xi^2 kappa^2/2; for kappa <= 1, C >= 1: largest ratio {ratio:.4g}. Without "
        f"kappa <= 1, which it does not print, it fails: y=0, C=1, xi=1, kappa=2 gives 2n > n. Theorem 3's printed "
        f"C >= 0 is not enough",
        ratio,
        "for xi^2 kappa^2 <= 2 (2C-1)",
    )


def property1() -> Finding:
    """Sub-exponential tail, and what Lemmas 22 and 23 feed it: alpha = 4 kappa^2, not 2 kappa^2."""
    ts = np.linspace(0.01, 0.25, 25)  # w ~ N(0, 1): E exp(t (w^2 - 1)) for t up to 1/4
    ratio = float(np.max(np.exp(-ts) / np.sqrt(1 - 2 * ts) / np.exp(2 * ts**2)))
    tails = np.linspace(0.1, 30, 60)
    bound = np.where(tails <= 1, np.exp(-(tails**2) / 8), np.exp(-tails / 8))
    tail_ratio = float(np.max(chi2.sf(1 + tails, 1) / bound))
    return Finding(
        "a (kappa_0, alpha)-sub-exponential variable has the tail exp(-t^2/(2 kappa_0^2)), then exp(-t/(2 alpha))",
        "holds" if max(ratio, tail_ratio) <= 1 else "false",
        f"w^2 - 1 with kappa_0 = 2, alpha = 4: moment ratio {ratio:.4g}, tail ratio {tail_ratio:.4g}. As printed, "
        f"Lemma 22 takes t <= 2 kappa^2: at kappa = 1, t = 1 the moment is infinite; alpha = 4 kappa^2 saves it",
        max(ratio, tail_ratio),
    )


def property2() -> Finding:
    """Markov's inequality, tight for a variable on {0, a}."""
    return Finding("P(X >= a) <= E[X]/a", "holds", "a 1{X>=a} <= X, with equality for X in {0, a}", 1.0)


def property3() -> Finding:
    """Hoeffding's inequality for |X_i| <= 1 is printed with the constant of an interval of length 1."""
    ratio = 0.5 / math.exp(-2)
    return Finding(
        "for independent |X_i| <= 1: P(mean - E mean >= t) <= exp(-2 n t^2)",
        "false" if ratio > 1 else "holds empirically",
        f"n=1, X = +-1, t=1: 1/2 > exp(-2) = {math.exp(-2):.4f}; ratio {ratio:.4g}",
        ratio,
        "exp(-n t^2/2); harmless in Theorem 2, whose variables lie in an interval of length 1",
    )


def property4() -> Finding:
    """Bernstein's inequality is printed without independence; with it, it holds."""
    n = 100
    printed = math.exp(-(n**2 / 2) / (n + n / 3))
    ratios = []
    for t in np.linspace(1, 60, 60):
        exact = binom.sf(math.ceil((n + t) / 2) - 1, n, 0.5)  # sum of n signs >= t
        ratios.append(exact / math.exp(-(t**2 / 2) / (n + t / 3)))
    return Finding(
        "P(sum X_i >= t) <= exp(-(t^2/2)/(sum E X_i^2 + M t/3)) for centred |X_i| <= M",
        "false" if printed < 0.5 else "holds empirically",
        f"as printed, without independence: 100 equal signs, t=100: 1/2 > {printed:.3g}. With independence it holds: "
        f"100 signs, largest ratio {max(ratios):.4g}",
        0.5 / printed,
        "for independent X_i",
    )


def property5() -> Finding:
    """Jensen's inequality E sqrt X <= sqrt E X, which the scan garbles."""
    x = np.abs(norm.ppf((np.arange(1000) + 0.5) / 1000))
    ratio = float(np.mean(np.sqrt(x)) / math.sqrt(np.mean(x)))
    return Finding(
        "E[X^(1/2)] <= (E X)^(1/2) for X >= 0",
        "holds" if ratio <= 1 else "false",
        f"concavity; |N(0,1)|: ratio {ratio:.4g}. The scan's E[X^2] <= (E X)^(1/2) fails: X = 4 gives 16 > 2",
        ratio,
    )
