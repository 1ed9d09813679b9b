"""Theorem 1 (Du et al., 2018): the infinite NTK is positive definite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .convergence import singular
from .record import Condition, Constants, Promise

if TYPE_CHECKING:
    from .setting import TheorySetting


def theorem1(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return whether no two rows are parallel, so that lambda_0 > 0, and the proven lower bound of lambda_0.

    Antipodal rows count as parallel: three antipodal pairs in the plane give lambda_0 = 0. The theorem says nothing
    of how large lambda_0 is; the note gives what this package computes and proves.
    """
    notes = [f"lambda_0 = {setting.smallest_eigenvalue:.6g}, proven >= {setting.proven_eigenvalue:.6g}"]
    if reason := singular(setting):
        notes.append(reason)
    condition = Condition("pairs of parallel or antipodal rows", len(setting.parallel), 0, "<=")
    return Promise("Theorem 1", constants, applies=True, conditions=(condition,), notes=tuple(notes), proven=True)
