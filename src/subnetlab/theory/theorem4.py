"""Theorem 4: categorical masks (Independent Subnet Training) converge linearly to an error floor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .constants import categorical_floor, local_shrinkage, repaired_categorical_floor
from .convergence import bound_curve, singular, uncovered, unstable, width_conditions
from .record import Condition, Constants, Promise, not_applicable

if TYPE_CHECKING:
    from .setting import TheorySetting


def theorem4(setting: TheorySetting, constants: Constants = "paper", gamma: float = 0.5) -> Promise:
    """Return a bound of E |y - u_k|^2 and its hypotheses; q = (1 - eta lambda_0/2)^tau.

    "paper": (gamma + (1-gamma) q)^k C^2 n + floor, with a floor that falls with the width. Its proof rests on Lemma 15,
    whose expectation does not vanish. "repaired": q^k |y - u_0|^2 + q V / (1-q) with V = 4 xi (1-xi) n kappa^2, from
    convexity and without Lemma 15 (docs/theory.md): the faster rate, and a floor that does not fall with the width
    but with q.

    Parameters
    ----------
    setting : TheorySetting
    constants : {"paper", "repaired"}
    gamma : float, default 0.5
        In (0, 1); the paper's constants only.

    Raises
    ------
    ValueError
        If gamma is outside (0, 1).
    """
    if not 0 < gamma < 1:
        raise ValueError(f"theorem4: gamma must be in (0, 1), got {gamma}")
    if not partitions(setting.masks):
        return not_applicable("Theorem 4", constants, "it is about categorical masks: see Theorem 3")
    if reason := singular(setting) or uncovered(setting) or unstable(setting):
        return not_applicable("Theorem 4", constants, reason)
    if constants == "paper":
        alpha = (1 - gamma) * local_shrinkage(setting)
        floor_at = partial(categorical_floor, gamma=gamma)
        start = setting.target_bound**2 * setting.n_samples
        note = "not refuted, but its proof is broken: in Lemma 15 sigma(w_tau) depends on the signs a"
    else:
        alpha, floor_at, start = local_shrinkage(setting), repaired_categorical_floor, setting.initial_error
        note = "proven without Lemma 15; the floor no longer falls with the width"
    floor = floor_at(setting)
    limit = setting.smallest_eigenvalue / (4 * setting.n_samples**2)
    conditions = (
        Condition("step size (Hypothesis 1)", setting.step_size, limit, "<="),
        *width_conditions(setting, alpha, floor_at),
    )
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
        notes=(note,),
    )
