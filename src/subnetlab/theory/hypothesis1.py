"""Hypothesis 1: while the weights stay near their start, every subnetwork's error falls in every local step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .constants import movement_bound, movement_radius, ntk_width
from .convergence import singular, uncovered
from .record import Condition, Constants, Promise, not_applicable
from .theorem3 import theorem3
from .theorem4 import theorem4

if TYPE_CHECKING:
    from .setting import TheorySetting


def hypothesis1(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return whether (3) holds before the first round, and the promised local rate (4), 1 - eta lambda_0 / 2.

    The rate alpha and the floor B1 in (3) are those of Theorem 3 or, for categorical masks, Theorem 4. The
    probability is 1 - 4 delta: kernels, initial weights, and Markov's inequality for errors and mask noise (of their
    squares: the paper applies it to a mean of norms).
    """
    if reason := singular(setting) or uncovered(setting):
        return not_applicable("Hypothesis 1", constants, reason)
    theorem = theorem4 if partitions(setting.masks) else theorem3
    whole = theorem(setting, constants)
    if whole.rate is None or whole.floor is None:
        return not_applicable("Hypothesis 1", constants, whole.reason)
    n, lam0 = setting.n_samples, setting.smallest_eigenvalue
    moved = movement_bound(setting, 1 - whole.rate, whole.floor)
    conditions = (
        Condition("width (Theorem 2)", setting.width, ntk_width(setting), ">="),
        Condition("step size", setting.step_size, lam0 / (4 * n**2), "<="),
        Condition("movement, left side of (3)", moved, movement_radius(setting), "<="),
    )
    return Promise(
        "Hypothesis 1",
        constants,
        applies=True,
        conditions=conditions,
        rate=1 - setting.step_size * lam0 / 2,
        floor=0.0,
        probability=max(0.0, 1 - 4 * setting.failure_prob),
    )


def local_movement_bound(setting: TheorySetting, root_mean_error: float) -> float:
    """Return (5), how far a neuron moves within a round, with probability 1 - 4 delta.

    eta tau sqrt(2 n K / (m delta)) E_k + 2 eta tau kappa n sqrt(2 xi (1-xi) p K / (m delta)) with
    E_k = sqrt(E |y - u_k|^2).
    """
    n, p, K = setting.n_samples, setting.moments.n_subnetworks, setting.rounds
    xi, per_width = setting.selection_prob, setting.width * setting.failure_prob
    steps = setting.step_size * setting.local_steps
    first = steps * math.sqrt(2 * n * K / per_width) * root_mean_error
    return first + 2 * steps * setting.init_scale * n * math.sqrt(2 * xi * (1 - xi) * p * K / per_width)
