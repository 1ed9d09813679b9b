"""Theorem 4: categorical masks (Independent Subnet Training) converge linearly to an error floor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .constants import (
    categorical_floor,
    local_shrinkage,
    movement_bound,
    movement_radius,
    ntk_width,
    repaired_categorical_floor,
    repaired_movement_bound,
)
from .convergence import bound_curve, singular, small_scale, uncovered, unstable, width_conditions
from .record import Condition, Constants, Promise, not_applicable
from .theorem3 import STOPPED

if TYPE_CHECKING:
    from .setting import TheorySetting


def printed_shrinkage(setting: TheorySetting, gamma: float = 0.5) -> float:
    """Return (1-gamma) (1-q), by how much the printed rate is below 1."""
    return (1 - gamma) * local_shrinkage(setting)


def theorem4(setting: TheorySetting, constants: Constants = "paper", gamma: float = 0.5) -> Promise:
    """Return a bound of E |y - u_k|^2 and its hypotheses; q = (1 - eta lambda_0/2)^tau.

    "paper": (gamma + (1-gamma) q)^k C^2 n + floor, with a floor that falls with the width. Its proof rests on Lemma 15,
    whose expectation does not vanish, and its probability is 1 - 5 delta, as that of Theorem 3. "repaired":
    q^k |y - u_0|^2 + q V / (1-q) with V = 4 xi (1-xi) n kappa^2, from convexity and without Lemma 15: the faster
    rate, and a floor that does not fall with the width but with q (proof: docs/derivations/repairs.md). It is proven
    of the error while all subnetworks have had good kernels and no weight has left R, which in K rounds has
    probability 1 - 4 delta: Lemmas 16 and 23, Theorem 2, and Markov's inequality for the movement.

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
    repaired = constants == "repaired"
    if repaired:
        alpha, floor_at, start = local_shrinkage(setting), repaired_categorical_floor, setting.initial_error
        note = f"{STOPPED}; without Lemma 15 the floor no longer falls with the width"
    else:
        alpha = printed_shrinkage(setting, gamma)
        floor_at = partial(categorical_floor, gamma=gamma)
        start = setting.target_bound**2 * setting.n_samples
        note = "not refuted, but its proof is broken: in Lemma 15 sigma(w_tau) depends on the signs a"
    movement = repaired_movement_bound if repaired else movement_bound
    floor = floor_at(setting)
    limit = setting.smallest_eigenvalue / (4 * setting.n_samples**2)
    conditions = (
        Condition("step size (Hypothesis 1)", setting.step_size, limit, "<="),
        *(() if repaired else (small_scale(setting),)),
        *width_conditions(
            setting,
            ntk_width(setting),
            lambda other: movement(other, alpha, floor_at(other)),
            movement_radius(setting),
        ),
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
        probability=max(0.0, 1 - (4 if repaired else 5) * setting.failure_prob),
        notes=(note,),
        proven=repaired,
    )
