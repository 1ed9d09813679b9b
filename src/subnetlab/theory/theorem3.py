"""Theorem 3: Bernoulli masks converge linearly to an error floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .constants import bernoulli_constants
from .convergence import bound_curve, singular, uncovered, width_conditions
from .record import Condition, Constants, Promise, not_applicable
from .setting import step_size_limit

if TYPE_CHECKING:
    from .setting import TheorySetting


def convergence_rate(setting: TheorySetting) -> float:
    """Return alpha = eta theta tau lambda_0 / 4, the share of the excess error that a round removes."""
    return setting.step_size * setting.coverage * setting.local_steps * setting.smallest_eigenvalue / 4


def theorem3(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return E |y - u_k|^2 <= (1 - eta theta tau lambda_0 / 4)^k |y - u_0|^2 + B1, and whether it is proven.

    The width is tested by what the proof needs, not by the printed order (6): see `movement_bound`.
    With xi = 1 it is the classical theorem of gradient descent: theta = 1 and B1 = 0.

    Parameters
    ----------
    setting : TheorySetting
    constants : {"paper", "repaired"}
    """
    if partitions(setting.masks):
        return not_applicable(
            "Theorem 3", constants, "it is about independent masks, not categorical ones: see Theorem 4"
        )
    if reason := singular(setting) or uncovered(setting):
        return not_applicable("Theorem 3", constants, reason)
    alpha = convergence_rate(setting)
    floor = bernoulli_constants(setting, constants).error_floor
    limit = step_size_limit(setting.smallest_eigenvalue, setting.n_samples, setting.masks, setting.local_steps)
    conditions = (
        Condition("step size (Hypothesis 1, Lemmas 6 and 10)", setting.step_size, limit, "<="),
        *width_conditions(setting, alpha, lambda s: bernoulli_constants(s, constants).error_floor),
    )
    return Promise(
        "Theorem 3",
        constants,
        applies=True,
        conditions=conditions,
        rate=1 - alpha,
        floor=floor,
        bound=bound_curve(setting, 1 - alpha, setting.initial_error, floor),
        initial_error=setting.initial_error,
        probability=max(0.0, 1 - 4 * setting.failure_prob),
    )
