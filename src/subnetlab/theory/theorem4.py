"""Theorem 4: categorical masks (Independent Subnet Training) converge linearly to a floor that falls with the width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.masks import Categorical
from .constants import categorical_floor
from .convergence import bound_curve, singular, uncovered, width_conditions
from .record import Condition, Constants, Promise, not_applicable

if TYPE_CHECKING:
    from .setting import TheorySetting


def theorem4(setting: TheorySetting, constants: Constants = "paper", gamma: float = 0.5) -> Promise:
    """Return E |y - u_k|^2 <= (gamma + (1-gamma)(1 - eta lambda_0/2)^tau)^k C^2 n + floor, and its hypotheses.

    Its proof rests on Lemma 15, whose expectation does not vanish: the record says so, and no repair is known.

    Parameters
    ----------
    setting : TheorySetting
    constants : {"paper", "repaired"}
    gamma : float, default 0.5
        In (0, 1).

    Raises
    ------
    ValueError
        If gamma is outside (0, 1).
    """
    if not 0 < gamma < 1:
        raise ValueError(f"theorem4: gamma must be in (0, 1), got {gamma}")
    if not isinstance(setting.masks, Categorical):
        return not_applicable("Theorem 4", constants, "it is about categorical masks: see Theorem 3")
    if constants == "repaired":
        return not_applicable("Theorem 4", constants, "no repair of Lemma 15 is known, on which the proof rests")
    if reason := singular(setting) or uncovered(setting):
        return not_applicable("Theorem 4", constants, reason)
    local = -math.expm1(setting.local_steps * math.log1p(-setting.step_size * setting.smallest_eigenvalue / 2))
    alpha = (1 - gamma) * local
    floor = categorical_floor(setting, gamma)
    limit = setting.smallest_eigenvalue / (4 * setting.n_samples**2)
    conditions = (
        Condition("step size (Hypothesis 1)", setting.step_size, limit, "<="),
        *width_conditions(setting, alpha, lambda s: categorical_floor(s, gamma)),
    )
    start = setting.target_bound**2 * setting.n_samples
    return Promise(
        "Theorem 4",
        constants,
        applies=True,
        conditions=conditions,
        rate=1 - alpha,
        floor=floor,
        bound=bound_curve(setting, 1 - alpha, start, floor),
        initial_error=setting.initial_error,
        probability=max(0.0, 1 - 4 * setting.failure_prob),
        notes=("not refuted, but its proof is broken: in Lemma 15 sigma(w_tau) depends on the signs a",),
    )
