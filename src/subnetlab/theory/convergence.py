"""What Theorems 3 and 4 share: a linear rate, a floor, and a width that keeps the weights near their start."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.masks.law import partitions
from .constants import initialisation_width, movement_bound, movement_radius, ntk_width
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
    """Return rate^k start + floor for k = 0, ..., K."""
    return rate ** np.arange(setting.rounds + 1) * start + floor


def width_conditions(
    setting: TheorySetting, alpha: float, floor_at: Callable[[TheorySetting], float]
) -> tuple[Condition, ...]:
    """Return the three conditions on the width: Theorem 2, the initial weights, and Hypothesis 1's (3).

    Parameters
    ----------
    setting : TheorySetting
    alpha : float
        The rate's distance from 1.
    floor_at : callable
        B1 of a setting, whose width is varied to find the width that is needed.
    """
    m = setting.width
    return (
        Condition("width for the kernels (Theorem 2)", m, ntk_width(setting), ">="),
        Condition("width for the initial weights (Lemmas 16, 22, 23)", m, initialisation_width(setting), ">="),
        Condition("width for small movement (Hypothesis 1)", m, movement_width(setting, alpha, floor_at), ">="),
    )


def movement_width(setting: TheorySetting, alpha: float, floor_at: Callable[[TheorySetting], float]) -> float:
    """Return the least width at which `movement_bound` is at most R, to one part in a million."""

    def too_narrow(width: float) -> bool:
        other = replace(setting, width=width)
        return movement_bound(other, alpha, floor_at(other)) > movement_radius(other)

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
    return f"the theorems do not cover {', '.join(setting.other_features)}" if setting.other_features else ""
