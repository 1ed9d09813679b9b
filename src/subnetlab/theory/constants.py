"""The constants of the theorems as printed and as repaired; docs/theory.md derives the repairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Constants
    from .setting import TheorySetting


@dataclass(frozen=True)
class BernoulliConstants:
    """C1, B1's six terms and their factors.

    Parameters
    ----------
    local_spread : float
        C1, bounds E[eta_r^2 sum_l m^l_r |u - uhat^l|^2] (Lemma 24).
    terms : tuple of float
        The summands of B1, in the order of Theorem 3.
    """

    local_spread: float
    terms: tuple[float, ...]

    @property
    def error_floor(self) -> float:
        """The error floor B1."""
        return sum(self.terms)


def bernoulli_constants(setting: TheorySetting, constants: Constants) -> BernoulliConstants:
    """Return the constants of Theorem 3.

    B1 = f1 (1-xi)^2 kappa^2 n^3 d / (m lambda_0^2) + f2 eta tau n^2 V / lambda_0 + f3 V / tau^2
         + f4 (tau-1)^2 p C1 / tau^2 + f5 eta^2 (tau-1)^2 n^4 p C1 / lambda_0^2 + 4 eta (tau-1) p n C1

    with V = 8 (theta - xi^2) n kappa^2 / p (Lemma 3), C1 = 4 theta^2 (1 - xi) n kappa^2 / p and
    f = (64, 68/8, 1/48, 1/24, 8) as printed. Repaired: V and C1 from the true moments and with the largest neuron
    bounded (see `_largest_activation`), and f = (128, 132/8, 1/24, 1/12, 16).
    """
    n, d, m, p = setting.n_samples, setting.n_features, setting.width, setting.moments.n_subnetworks
    kappa, xi, theta = setting.init_scale, setting.selection_prob, setting.coverage
    eta, tau, lam0 = setting.step_size, setting.local_steps, setting.smallest_eigenvalue
    if constants == "paper":
        V = 8 * n * kappa**2 * float(setting.moments.paper_pair_variance)
        C1 = 4 * theta**2 * (1 - xi) * n * kappa**2 / p
        f1, f2, f3, f4, f5 = 64, 68 / 8, 1 / 48, 1 / 24, 8
    else:
        own = (1 - xi) ** 2 * _largest_activation(setting) / m
        V = n * (4 * kappa**2 * float(setting.moments.pair_variance) + own)
        C1 = n * float(setting.moments.mean_step) * (4 * kappa**2 * xi * (1 - xi) + own)
        f1, f2, f3, f4, f5 = 128, 132 / 8, 1 / 24, 1 / 12, 16
    terms = (
        f1 * (1 - xi) ** 2 * kappa**2 * n**3 * d / (m * lam0**2),
        f2 * eta * tau * n**2 * V / lam0,
        f3 * V / tau**2,
        f4 * (tau - 1) ** 2 * p * C1 / tau**2,
        f5 * eta**2 * (tau - 1) ** 2 * n**4 * p * C1 / lam0**2,
        4 * eta * (tau - 1) * p * n * C1,
    )
    return BernoulliConstants(C1, terms)


def categorical_floor(setting: TheorySetting, gamma: float = 0.5) -> float:
    """Return Theorem 4's 64 tau (p-1)^2 kappa^2 n^3 d / (gamma (1-gamma) lambda_0^2 m)."""
    n, d, m, p = setting.n_samples, setting.n_features, setting.width, setting.moments.n_subnetworks
    numerator = 64 * setting.local_steps * (p - 1) ** 2 * setting.init_scale**2 * n**3 * d
    return numerator / (gamma * (1 - gamma) * setting.smallest_eigenvalue**2 * m)


def local_shrinkage(setting: TheorySetting) -> float:
    """Return 1 - q with q = (1 - eta lambda_0 / 2)^tau: the share of its error that a subnetwork loses in a round."""
    return -math.expm1(setting.local_steps * math.log1p(-setting.step_size * setting.smallest_eigenvalue / 2))


def repaired_categorical_floor(setting: TheorySetting) -> float:
    """Return q V / (1 - q) with V = 4 xi (1-xi) n kappa^2, the floor of Theorem 4 without Lemma 15.

    V bounds the spread E |f^l - u|^2 = xi (1-xi) (1/m) sum_ir relu(<w_r, x_i>)^2 of the subnetworks (Lemma 23).
    """
    xi, shrinkage = setting.selection_prob, local_shrinkage(setting)
    spread = 4 * xi * (1 - xi) * setting.n_samples * setting.init_scale**2
    return (1 - shrinkage) * spread / shrinkage


def movement_radius(setting: TheorySetting) -> float:
    """Return R = kappa lambda_0 / (192 n), within which the weights must stay; it satisfies every use in the proofs."""
    return setting.init_scale * setting.smallest_eigenvalue / (192 * setting.n_samples)


def movement_bound(setting: TheorySetting, alpha: float, error_floor: float) -> float:
    """Return the left side of Hypothesis 1's (3) before the first round, which must be at most R.

    2 eta tau sqrt(2 n K / (m delta)) (C sqrt n / alpha + K B) with B = sqrt(B1 / alpha) + kappa sqrt(xi (1-xi) p n)
    and sqrt(E |y - u_0|^2) <= C sqrt n (Lemma 26).
    """
    n, p, K = setting.n_samples, setting.moments.n_subnetworks, setting.rounds
    xi, delta = setting.selection_prob, setting.failure_prob
    B = math.sqrt(error_floor / alpha) + setting.init_scale * math.sqrt(xi * (1 - xi) * p * n)
    per_round = 2 * setting.step_size * setting.local_steps * math.sqrt(2 * n * K / (setting.width * delta))
    return per_round * (setting.target_bound * math.sqrt(n) / alpha + K * B)


def ntk_width(setting: TheorySetting) -> float:
    """Return Theorem 2's width.

    max{(8 n^2 / lambda_0^2) ln(4 n^2 K p / delta), (120 n / (xi lambda_0)) ln(2 n^2 K p / delta)}: Hoeffding's
    inequality for entries in an interval of length |<x_i, x_j>| <= 1, at a deviation of lambda_0 / (4 n), and
    Bernstein's for the patterns that can change within kappa lambda_0 / (12 n), each with probability delta / 2.
    """
    n, lam0, xi = setting.n_samples, setting.smallest_eigenvalue, setting.selection_prob
    events = n**2 * setting.rounds * setting.moments.n_subnetworks / setting.failure_prob
    return max(8 * n**2 / lam0**2 * math.log(4 * events), 120 * n / (xi * lam0) * math.log(2 * events))


def initialisation_width(setting: TheorySetting) -> float:
    """Return the width at which Lemmas 16, 22 and 23 fail with probability at most delta each.

    n exp(-m R / kappa), exp(-m d / 32) and n exp(-m / 32).
    """
    n, delta = setting.n_samples, setting.failure_prob
    return max(
        setting.init_scale / movement_radius(setting) * math.log(n / delta),
        32 / setting.n_features * math.log(1 / delta),
        32 * math.log(n / delta),
    )


def _largest_activation(setting: TheorySetting) -> float:
    """Return a bound of relu(<w_r, x_i>)^2 over all r and i, with probability 1 - delta over the initial weights.

    Lemmas 3, 4 and 24 fail where one neuron holds all the energy, so they need one: 4 kappa^2 ln(2 m n / delta)
    + 2 R^2, from the tail of m n normal numbers and (a + b)^2 <= 2 a^2 + 2 b^2 for a movement of at most R.
    """
    tail = 2 * setting.init_scale**2 * math.log(2 * setting.width * setting.n_samples / setting.failure_prob)
    return 2 * tail + 2 * movement_radius(setting) ** 2
