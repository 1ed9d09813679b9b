"""What Theorems 3 and 4 share: a linear rate, a floor, and a width that keeps the weights near their start."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.masks.law import describe, partitions
from .constants import initialisation_width
from .record import Condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import FloatArray
    from ..core.masks import MaskLaw
    from .setting import TheorySetting

_LARGEST_WIDTH = 1e200  # its power 1.5 is a number


def convergence_theorem(masks: MaskLaw) -> str:
    """Return which theorem is about convergence under these masks, by its key in `subnetlab.theory.table.THEOREMS`."""
    return "theorem4" if partitions(masks) else "theorem3"


@np.errstate(over="ignore", invalid="ignore")
def bound_curve(setting: TheorySetting, rate: float, start: float, floor: float) -> FloatArray:
    """Return |rate|^k start + floor for k = 0, ..., K, which says nothing where a step is so large that |rate| > 1."""
    if start == 0:
        return np.full(setting.rounds + 1, floor)
    return abs(rate) ** np.arange(setting.rounds + 1) * start + floor


def width_conditions(
    setting: TheorySetting, kernels: float, moved: Callable[[TheorySetting], float], radius: float
) -> tuple[Condition, ...]:
    """Return the three conditions on the width: kernels, initial weights, and the movement over all rounds.

    Parameters
    ----------
    setting : TheorySetting
    kernels : float
        The width for the kernels.
    moved : callable
        The movement in a setting, whose width is varied to find the width that is needed.
    radius : float
        What the movement may be.
    """
    m = setting.width
    return (
        Condition("width for the kernels (Theorem 2)", m, kernels, ">="),
        Condition("width for the initial weights (Lemmas 16, 22, 23)", m, initialisation_width(setting), ">="),
        Condition("width for small movement (Hypothesis 1)", m, movement_width(setting, moved, radius), ">="),
    )


def movement_width(setting: TheorySetting, moved: Callable[[TheorySetting], float], radius: float) -> float:
    """Return the least width at which a movement that falls with the width is at most ``radius``, to 1e-6."""

    def too_narrow(width: float) -> bool:
        return moved(replace(setting, width=width)) > radius

    low, high = 1.0, 2.0
    if not too_narrow(low):
        return low
    while too_narrow(high):
        if high > _LARGEST_WIDTH:
            return math.inf
        low, high = high, high**1.5
    while high / low > 1 + 1e-6:
        middle = math.sqrt(low) * math.sqrt(high)
        low, high = (middle, high) if too_narrow(middle) else (low, middle)
    return high


def small_scale(setting: TheorySetting) -> Condition:
    """Return what Lemma 26 needs, and with it every printed width: E |y - u_0|^2 <= C^2 n."""
    value = (setting.selection_prob * setting.init_scale) ** 2
    return Condition("xi^2 kappa^2, at most 2 (2 C - 1) (Lemma 26)", value, 2 * (2 * setting.target_bound - 1), "<=")


def singular(setting: TheorySetting) -> str:
    """Return why lambda_0 > 0 is not proven, naming parallel rows; empty if it is proven."""
    if setting.proven_eigenvalue > 0:
        return ""
    if setting.parallel:
        pair = setting.parallel[0]
        kind = "antipodal" if pair.antipodal else "parallel"
        return (
            f"lambda_0 > 0 is not shown: rows {pair.first} and {pair.second} of X are {kind} "
            f"({len(setting.parallel)} such pairs)"
        )
    return f"lambda_0 > 0 is not shown: computed {setting.smallest_eigenvalue:.3g}, within its rounding error of 0"


def unstable(setting: TheorySetting) -> str:
    """Return why 1 - eta lambda_0 / 2 is no rate of a subnetwork per local step; empty if it is one."""
    limit = 2 / setting.smallest_eigenvalue
    if setting.step_size < limit:
        return ""
    return f"the step size must be below 2 / lambda_0 = {limit:.4g}, got {setting.step_size:.4g}"


def uncovered(setting: TheorySetting) -> str:
    """Return the features of the scheme that no theorem covers; empty if there are none."""
    if setting.other_features:
        return f"the theorems do not cover {', '.join(setting.other_features)}"
    return dependent(setting)


def dependent(setting: TheorySetting) -> str:
    """Return that neurons are not drawn independently of each other; empty if they are."""
    if setting.moments.independent_neurons:
        return ""
    return f"its proof is about neurons that are drawn independently; those of {describe(setting.masks)} are not"
