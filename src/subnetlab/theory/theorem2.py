"""Theorem 2: every masked NTK keeps half of lambda_0 while the weights stay near their start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .constants import movement_radius, ntk_width
from .convergence import dependent, singular
from .record import Condition, Constants, Promise, not_applicable

if TYPE_CHECKING:
    from .setting import TheorySetting


def kernel_radius(setting: TheorySetting) -> float:
    """Return kappa lambda_0 / (12 n), the movement of a neuron that Theorem 2 allows."""
    return setting.init_scale * setting.smallest_eigenvalue / (12 * setting.n_samples)


def theorem2(setting: TheorySetting, constants: Constants = "paper", movement: float | None = None) -> Promise:
    """Return the conditions under which all masked NTKs have lambda_min >= lambda_0 / 2 with probability 1 - delta.

    The paper gives the order of the width only; the constants are those of its proof, with Hoeffding's inequality
    for an interval of length 1 (its Property 3 is false for [-1, 1], and not needed so).

    Parameters
    ----------
    setting : TheorySetting
    constants : {"paper", "repaired"}
        The same here.
    movement : float, optional
        max over r of |w_r - w_{0,r}|, of a run; without it the proof's own limit R is compared.
    """
    if reason := singular(setting) or dependent(setting):
        return not_applicable("Theorem 2", constants, reason)
    moved = movement_radius(setting) if movement is None else movement
    conditions = (
        Condition("width", setting.width, ntk_width(setting), ">="),
        Condition("movement of each neuron", moved, kernel_radius(setting), "<="),
    )
    return Promise(
        "Theorem 2",
        constants,
        applies=True,
        conditions=conditions,
        probability=1 - setting.failure_prob,
        notes=(f"then every masked NTK has lambda_min >= lambda_0 / 2 = {setting.smallest_eigenvalue / 2:.6g}",),
        proven=True,
    )
