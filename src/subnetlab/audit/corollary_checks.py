"""Corollaries 1 to 3, by Theorem 3's floor under their own assumptions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ..theory.moments import bernoulli_moments
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    Order = Callable[[int, int, int, float, float], float]  # of n = K, p, tau, xi, theta


def corollary1_check() -> Finding:
    """Dropout's floor is O(1 - xi)."""
    claim = "dropout: rate 1 - eta xi lambda_0/4, floor O(1-xi)"
    return _order_finding(claim, "p=1, tau=1", _worst_ratio((1,), (1,), lambda n, p, tau, xi, theta: 1 - xi))


def corollary2_check() -> Finding:
    """Multi-sample dropout's floor."""
    claim = "multi-sample dropout: floor O((1-xi)^2/(nK) + (theta-xi^2)/p)"
    return _order_finding(claim, "tau=1", _worst_ratio((1, 2, 8, 64), (1,), _sampling))


def corollary3_check() -> Finding:
    """IST with Bernoulli masks."""
    claim = "IST: floor O((1-xi)^2/(nK) + (theta-xi^2)/p + (tau-1)^2 theta^2 (1-xi)/tau^2)"
    return _order_finding(claim, "all p, tau", _worst_ratio((1, 2, 8, 64), (1, 2, 10), _sampling_and_local_steps))


def _sampling(n: int, p: int, tau: int, xi: float, theta: float) -> float:
    return (1 - xi) ** 2 / (n * n) + (theta - xi**2) / p


def _sampling_and_local_steps(n: int, p: int, tau: int, xi: float, theta: float) -> float:
    return _sampling(n, p, tau, xi, theta) + (tau - 1) ** 2 * theta**2 * (1 - xi) / tau**2


def _worst_ratio(p_values: tuple[int, ...], taus: tuple[int, ...], order: Order) -> float:
    """Largest Theorem 3 floor over the corollary's order, at its m and eta, with d = K = n, lambda_0 = xi/4."""
    worst = 0.0
    for n, p, xi, tau in itertools.product((10, 100, 1000), p_values, (0.05, 0.3, 0.7, 0.99), taus):
        if p > n:
            continue
        theta, lam0 = float(bernoulli_moments(p, xi).coverage), xi / 4
        m = n**5 * n / (xi * theta * lam0**4 * 0.1)
        eta = lam0 / (48 * n * tau * max(n, p))
        C1 = 4 * theta**2 * (1 - xi) / p
        floor = 64 * (1 - xi) ** 2 * n**2 * n / (m * lam0**2) + 68 * eta * tau * (theta - xi**2) * n**2 / (p * lam0)
        floor += (theta - xi**2) / (6 * tau**2 * p) + (tau - 1) ** 2 * p * C1 / (24 * tau**2)
        floor += 8 * eta**2 * (tau - 1) ** 2 * n**4 * p * C1 / lam0**2 + 4 * eta * (tau - 1) * p * n * C1
        worst = max(worst, floor / order(n, p, tau, xi, theta))
    return worst


def _order_finding(claim: str, cases: str, worst: float) -> Finding:
    return Finding(
        claim,
        "proof broken" if worst < 200 else "false",
        f"{cases}: Theorem 3's floor is at most {worst:.4g} times the order, over n = 10..1000, xi, p, tau "
        f"(kappa = n^(-1/2); the scan's n^-2 and n^-1 do not fit). An order says nothing of its constant, and it "
        f"inherits Theorem 3's broken proof",
    )
