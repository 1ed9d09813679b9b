"""The constants of the theorems as printed and as repaired; docs/derivations/repairs.md derives the repairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Constants
    from .setting import TheorySetting


@dataclass(frozen=True)
class BernoulliConstants:
    """A spread and the terms of B1.

    Parameters
    ----------
    local_spread : float
        As printed C1, to bound E[eta_r^2 sum_l m^l_r |u - uhat^l|^2] (Lemma 24); repaired v, see `mask_spread`.
    terms : tuple of float
        The summands of B1: as printed in the order of Theorem 3; repaired from the bias, from the neurons whose
        patterns may change, and from the square of a round's step.
    """

    local_spread: float
    terms: tuple[float, ...]

    @property
    def error_floor(self) -> float:
        """The error floor B1."""
        return sum(self.terms)


def bernoulli_constants(setting: TheorySetting, constants: Constants) -> BernoulliConstants:
    """Return the constants of Theorem 3.

    As printed, with C1 = 4 theta^2 (1 - xi) n kappa^2 / p,

        B1 = 64 (1-xi)^2 kappa^2 n^3 d / (m lambda_0^2) + 68 eta tau (theta-xi^2) n^3 kappa^2 / (p lambda_0)
             + (theta-xi^2) n kappa^2 / (6 tau^2 p) + (tau-1)^2 p C1 / (24 tau^2)
             + 8 eta^2 (tau-1)^2 n^4 p C1 / lambda_0^2 + 4 eta (tau-1) p n C1.

    Repaired, with v of `mask_spread` (docs/derivations/repairs.md has the proof),

        B1 = 55 xi (1-xi)^2 n^3 kappa^2 / (m lambda_0^2) + 0.09 xi v + 4.1 eta tau xi^2 n^2 v / lambda_0.
    """
    n, d, m, p = setting.n_samples, setting.n_features, setting.width, setting.moments.n_subnetworks
    kappa, xi, theta = setting.init_scale, setting.selection_prob, setting.coverage
    eta, tau, lam0 = setting.step_size, setting.local_steps, setting.smallest_eigenvalue
    if constants == "repaired":
        v = mask_spread(setting)
        bias = 55 * xi * (1 - xi) ** 2 * n**3 * kappa**2 / (m * lam0**2)
        return BernoulliConstants(v, (bias, 0.09 * xi * v, 4.1 * eta * tau * xi**2 * n**2 * v / lam0))
    variance = float(setting.moments.paper_pair_variance)  # (theta - xi^2) / p
    C1 = 4 * theta**2 * (1 - xi) * n * kappa**2 / p
    terms = (
        64 * (1 - xi) ** 2 * kappa**2 * n**3 * d / (m * lam0**2),
        68 * eta * tau * variance * n**3 * kappa**2 / lam0,
        variance * n * kappa**2 / (6 * tau**2),
        (tau - 1) ** 2 * p * C1 / (24 * tau**2),
        8 * eta**2 * (tau - 1) ** 2 * n**4 * p * C1 / lam0**2,
        4 * eta * (tau - 1) * p * n * C1,
    )
    return BernoulliConstants(C1, terms)


def subnetwork_spread(setting: TheorySetting) -> float:
    """Return 4 xi (1-xi) n kappa^2, a bound of E |u - uhat^l|^2 while weights stay near their start (Lemma 25)."""
    xi = setting.selection_prob
    return 4 * xi * (1 - xi) * setting.n_samples * setting.init_scale**2


def mask_spread(setting: TheorySetting) -> float:
    """Return v, the spread of the mean error of the subnetworks that hold a neuron.

    It is that of one subnetwork, `subnetwork_spread`; for tau = 1 times E[1/X | X >= 1], as only the mean over the X
    subnetworks that hold the neuron counts then (the true value in place of Lemma 21's).
    """
    several = float(setting.moments.mean_reciprocal) if setting.local_steps == 1 else 1.0
    return several * subnetwork_spread(setting)


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
    shrinkage = local_shrinkage(setting)
    return (1 - shrinkage) * subnetwork_spread(setting) / shrinkage


def movement_radius(setting: TheorySetting) -> float:
    """Return R = kappa lambda_0 / (192 n), within which the weights must stay; it satisfies every use in the proofs."""
    return setting.init_scale * relative_radius(setting)


def relative_radius(setting: TheorySetting) -> float:
    """Return R / kappa = lambda_0 / (192 n), also for a kappa so small that R is no number."""
    return setting.smallest_eigenvalue / (192 * setting.n_samples)


def movement_bound(setting: TheorySetting, alpha: float, error_floor: float) -> float:
    """Return the left side of Hypothesis 1's (3) before the first round, as printed, which must be at most R.

    2 eta tau sqrt(2 n K / (m delta)) (C sqrt n / alpha + K B) with B = sqrt(B1 / alpha) + kappa sqrt(xi (1-xi) p n)
    and sqrt(E |y - u_0|^2) <= C sqrt n (Lemma 26, whose condition `theorem3` and `theorem4` test).
    """
    n, p, K = setting.n_samples, setting.moments.n_subnetworks, setting.rounds
    xi, delta = setting.selection_prob, setting.failure_prob
    B = math.sqrt(error_floor / alpha) + setting.init_scale * math.sqrt(xi * (1 - xi) * p * n)
    per_round = 2 * setting.step_size * setting.local_steps * math.sqrt(2 * n * K / (setting.width * delta))
    return per_round * (setting.target_bound * math.sqrt(n) / alpha + K * B)


def repaired_movement_bound(setting: TheorySetting, alpha: float, error_floor: float, growth: float = 1.0) -> float:
    """Return how far a neuron moves in all K rounds, with probability 1 - delta over the masks.

    A round moves it by at most eta tau c sqrt(n/m) max_l |y - f^l|, c being by what a subnetwork's error may grow in
    local training. While the weights stay near their start E max_l |y - f^l|^2 <= p (E |y - u_k|^2 + V), so by
    Minkowski's and Markov's inequalities the sum over the rounds is at most

        eta tau c sqrt(n p / (m delta)) (2 sqrt(E |y - u_0|^2) / alpha + K sqrt(B1 + V)).
    """
    n, p, K = setting.n_samples, setting.moments.n_subnetworks, setting.rounds
    per_round = (
        setting.step_size * setting.local_steps * growth * math.sqrt(n * p / (setting.width * setting.failure_prob))
    )
    errors = 2 * math.sqrt(setting.initial_error) / alpha + K * math.sqrt(error_floor + subnetwork_spread(setting))
    return per_round * errors


def local_growth(setting: TheorySetting) -> float:
    """Return c = exp(eta tau n): under no mask does local training make an error larger than c times what it was.

    A step changes f^l by at most eta n |y - f^l|, as relu is 1-Lipschitz and rows have norm 1.
    """
    return math.exp(min(setting.step_size * setting.local_steps * setting.n_samples, 700.0))


def local_movement(setting: TheorySetting) -> float:
    """Return how far a neuron moves within a round at most, under every mask, while the weights are near their start.

    eta tau c sqrt(n/m) |y - f^l| with |y - f^l| <= (C - 1) sqrt n + 2 kappa sqrt(n m), by Lemma 23 and Cauchy-Schwarz.
    """
    n, m = setting.n_samples, setting.width
    per_error = setting.step_size * setting.local_steps * local_growth(setting) * n
    return per_error * ((setting.target_bound - 1) / math.sqrt(m) + 2 * setting.init_scale)


def ntk_width(setting: TheorySetting) -> float:
    """Return Theorem 2's width.

    max{(8 n^2 / lambda_0^2) ln(4 n^2 K p / delta), (120 n / (xi lambda_0)) ln(2 n^2 K p / delta)}: Hoeffding's
    inequality for entries in an interval of length |<x_i, x_j>| <= 1, at a deviation of lambda_0 / (4 n), and
    Bernstein's for the patterns that can change within kappa lambda_0 / (12 n), each with probability delta / 2.
    """
    n, lam0, xi = setting.n_samples, setting.smallest_eigenvalue, setting.selection_prob
    events = n**2 * setting.rounds * setting.moments.n_subnetworks / setting.failure_prob
    return max(8 * n**2 / lam0**2 * math.log(4 * events), 120 * n / (xi * lam0) * math.log(2 * events))


def start_kernel_width(setting: TheorySetting) -> float:
    """Return the width at which H(0) has lambda_min >= 3 lambda_0 / 4 with probability 1 - delta.

    (8 n^2 xi^2 / lambda_0^2) ln(2 n^2 / delta): Hoeffding's inequality for entries in an interval of length xi, at a
    deviation of lambda_0 / (4 n).
    """
    n, xi = setting.n_samples, setting.selection_prob
    return 8 * n**2 * xi**2 / setting.smallest_eigenvalue**2 * math.log(2 * n**2 / setting.failure_prob)


def initialisation_width(setting: TheorySetting) -> float:
    """Return the width at which Lemmas 16, 22 and 23 fail with probability at most delta each.

    n exp(-m R / kappa), exp(-m d / 32) and n exp(-m / 32). The second is the smallest for every d >= 1.
    """
    n, delta = setting.n_samples, setting.failure_prob
    return max(
        math.log(n / delta) / relative_radius(setting),
        32 / setting.n_features * math.log(1 / delta),
        32 * math.log(n / delta),
    )
