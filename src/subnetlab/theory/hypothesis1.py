"""Hypothesis 1: while the weights stay near their start, every subnetwork's error falls in every local step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .constants import movement_bound, movement_radius, ntk_width
from .convergence import singular, uncovered
from .record import Condition, Constants, Promise, not_applicable
from .theorem3 import convergence_rate, theorem3
from .theorem4 import printed_shrinkage, theorem4

if TYPE_CHECKING:
    from .setting import TheorySetting


def hypothesis1(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return whether (3) holds before the first round, and the promised local rate (4), 1 - eta lambda_0 / 2.

    "paper": the rate alpha and the floor B1 in (3) are the printed ones of Theorem 3 or, for categorical masks,
    Theorem 4. Given (2), (4) and (5) hold with probability 1 - 4 delta: Theorem 2, Lemmas 16 and 23, and Markov's
    inequality for errors and mask noise (of their squares: the paper applies it to a mean of norms). But (2) is what
    these theorems are to prove. "repaired": (4) in all rounds under the hypotheses of the repaired theorem and
    Theorem 2's width, with probability 1 - 4 delta for categorical masks and 1 - 5 delta for others, whose theorem does
    not count Theorem 2.
    """
    if reason := singular(setting) or uncovered(setting):
        return not_applicable("Hypothesis 1", constants, reason)
    theorem = theorem4 if partitions(setting.masks) else theorem3
    whole = theorem(setting, constants)
    if whole.rate is None or whole.floor is None:
        return not_applicable("Hypothesis 1", constants, whole.reason)
    n, lam0 = setting.n_samples, setting.smallest_eigenvalue
    conditions = (
        Condition("width (Theorem 2)", setting.width, ntk_width(setting), ">="),
        Condition("step size", setting.step_size, lam0 / (4 * n**2), "<="),
    )
    events = 4
    if constants == "repaired":
        conditions += whole.conditions
        events += theorem is theorem3
    else:
        shrinkage = convergence_rate if theorem is theorem3 else printed_shrinkage  # 1 - rate may be lost in rounding
        moved = movement_bound(setting, shrinkage(setting), whole.floor)
        conditions += (Condition("movement, left side of (3)", moved, movement_radius(setting), "<="),)
    return Promise(
        "Hypothesis 1",
        constants,
        applies=True,
        conditions=conditions,
        rate=1 - setting.step_size * lam0 / 2,
        floor=0.0,
        probability=max(0.0, 1 - events * setting.failure_prob),
        proven=whole.proven,
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
