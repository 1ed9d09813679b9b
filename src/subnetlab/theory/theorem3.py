"""Theorem 3: Bernoulli masks converge linearly to an error floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.masks.law import partitions
from .constants import (
    bernoulli_constants,
    local_growth,
    local_movement,
    movement_bound,
    movement_radius,
    ntk_width,
    repaired_movement_bound,
    start_kernel_width,
)
from .convergence import bound_curve, singular, small_scale, uncovered, width_conditions
from .record import Condition, Constants, Promise, not_applicable
from .setting import step_size_limit

if TYPE_CHECKING:
    from .setting import TheorySetting


def convergence_rate(setting: TheorySetting) -> float:
    """Return alpha = eta theta tau lambda_0 / 4, the share of the excess error that a round removes."""
    return setting.step_size * setting.coverage * setting.local_steps * setting.smallest_eigenvalue / 4


def theorem3(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return E |y - u_k|^2 <= (1 - eta theta tau lambda_0 / 4)^k |y - u_0|^2 + B1, and its hypotheses.

    "paper": B1 as printed. The width is tested by what the proof needs, not by the printed order (6): see
    `movement_bound`. The proof is broken, and its probability is 1 - 5 delta: Lemmas 16, 22 and 23, Theorem 2, and
    Markov's inequality. "repaired": the same rate with another B1, and a smaller step, of the error while no weight has
    left R; docs/derivations proves it. No weight leaves R in K rounds with probability 1 - 4 delta: Lemmas 16 and 23,
    the kernel at the start, and Markov's inequality for the movement.

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
    proven = constants == "repaired"
    return Promise(
        "Theorem 3",
        constants,
        applies=True,
        conditions=_repaired_conditions(setting, alpha) if proven else _printed_conditions(setting, alpha),
        rate=1 - alpha,
        floor=floor,
        bound=bound_curve(setting, 1 - alpha, setting.initial_error, floor),
        initial_error=setting.initial_error,
        probability=max(0.0, 1 - (4 if proven else 5) * setting.failure_prob),
        notes=(STOPPED if proven else BROKEN,),
        proven=proven,
    )


BROKEN = "not refuted, but the printed proof is broken: it takes means over all masks of what holds for good ones only"
STOPPED = "proven, of the error while no weight has left R; none does in any round with the given probability"


def _printed_conditions(setting: TheorySetting, alpha: float) -> tuple[Condition, ...]:
    def moved(other: TheorySetting) -> float:
        return movement_bound(other, alpha, bernoulli_constants(other, "paper").error_floor)

    limit = step_size_limit(setting.smallest_eigenvalue, setting.n_samples, setting.masks, setting.local_steps)
    return (
        Condition("step size (Hypothesis 1, Lemmas 6 and 10)", setting.step_size, limit, "<="),
        small_scale(setting),
        *width_conditions(setting, ntk_width(setting), moved, movement_radius(setting)),
    )


def _repaired_conditions(setting: TheorySetting, alpha: float) -> tuple[Condition, ...]:
    """Half of R is for the movement over all rounds, half for the local steps of a round under every mask."""

    def moved(other: TheorySetting) -> float:
        floor = bernoulli_constants(other, "repaired").error_floor
        return repaired_movement_bound(other, alpha, floor, local_growth(other))

    half = movement_radius(setting) / 2
    return (
        Condition("movement in a round under every mask (step size)", local_movement(setting), half, "<="),
        *width_conditions(setting, start_kernel_width(setting), moved, half),
    )
