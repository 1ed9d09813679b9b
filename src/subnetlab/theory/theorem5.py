"""Theorem 5: generalisation, of which only the complexity measure can be computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .convergence import dependent, singular
from .record import Constants, Promise, not_applicable

if TYPE_CHECKING:
    from .setting import TheorySetting


def complexity(setting: TheorySetting) -> float:
    """Return sqrt(y' H_inf^{-1} y / n)."""
    return math.sqrt(setting.complexity / setting.n_samples)


def theorem5(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return the complexity measure as a note; it is no guarantee.

    The printed conditions on m, kappa and eta cannot be recovered, and the bound is an order without its constant.
    """
    if partitions(setting.masks):
        return not_applicable("Theorem 5", constants, "it is about the scenario of Theorem 3, independent masks")
    if reason := singular(setting) or dependent(setting):
        return not_applicable("Theorem 5", constants, reason)
    notes = (
        f"complexity sqrt(y' H_inf^-1 y / n) = {complexity(setting):.6g}",
        "no guarantee: the theorem gives an order only, and its printed conditions cannot be recovered",
    )
    return Promise("Theorem 5", constants, applies=True, notes=notes, proven=False)
