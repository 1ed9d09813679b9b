"""The fastest plan where activation patterns change: plans are predicted again, the most promising first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..core import checks
from .planner import TrainingPlan, first_below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .prediction import Prediction

MOST_WORK = 200_000  # local steps times rows that are predicted in all: about a minute
_MORE, _MORE_ROUNDS = 1.5, 5  # so many times the rounds of a plan are looked at, and so many rounds besides


@dataclass(order=True)
class _Candidate:
    """A plan with the time that it takes at least or, once it is known to reach the target, in all."""

    seconds: float
    plan: TrainingPlan = field(compare=False)
    known: bool = field(default=False, compare=False)


def fastest_followed(
    plans: Sequence[TrainingPlan],
    target_error: float,
    *,
    init_scale: float = 1.0,
    seed: int = 0,
    most_work: int = MOST_WORK,
    looked_at: Callable[[int], object] = lambda work: None,
) -> TrainingPlan | None:
    """Return the plan that reaches the target soonest for one initial network whose neurons move (`predict`).

    Changing patterns cost rounds, hardly ever do they save any. So the time that a plan takes with patterns that stay
    is the least that it can take, and plans are predicted again in the order of their times: one that falls short waits
    with more rounds until all faster ones have fallen short of theirs.

    Parameters
    ----------
    plans : sequence of TrainingPlan
        From `plan`.
    target_error : float
        The one that they were made for.
    init_scale : float, default 1.0
        kappa, as the plans were asked for.
    seed : int, default 0
        Of the network.
    most_work : int
        Local steps times rows that are predicted in all.
    looked_at : callable, optional
        Is called with the work of each prediction, after it.

    Returns
    -------
    TrainingPlan or None
        With the rounds, the time, the traffic and the error of the network followed, which is its model. None where
        ``most_work`` settles nothing.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule.

    Examples
    --------
    >>> import numpy as np
    >>> import subnetlab as sl
    >>> plans = sl.plan(np.eye(3), np.ones(3), 0.1, local_steps=(1, 5), widths=(1000,), max_rounds=500)
    >>> fastest_followed(plans, 0.1).predicted_error <= 0.1
    True
    """
    checks.positive_number("fastest_followed", "target_error", target_error)
    checks.whole_number("fastest_followed", "most_work", most_work, least=0)
    waiting = [_Candidate(plan.seconds, plan) for plan in plans]
    heapq.heapify(waiting)
    while waiting:
        candidate = heapq.heappop(waiting)
        plan = candidate.plan
        if candidate.known:
            return plan
        rounds = int(_MORE * plan.scheme.rounds) + _MORE_ROUNDS
        most_work -= (work := rounds * plan.scheme.local_steps * len(plan.model.X))
        if most_work < 0:
            return None
        predicted = plan.followed(init_scale, seed, rounds=rounds)
        enough = first_below(predicted.full_error, target_error)
        after = _after(plan, predicted, rounds if enough is None else max(1, enough))
        heapq.heappush(waiting, _Candidate(after.seconds, after, known=enough is not None))
        looked_at(work)
    return None


def _after(plan: TrainingPlan, predicted: Prediction, rounds: int) -> TrainingPlan:
    """Return the plan for other rounds, with what is predicted of them."""
    share = rounds / plan.scheme.rounds
    return replace(
        plan,
        scheme=replace(plan.scheme, rounds=rounds),
        predicted_error=float(predicted.full_error[rounds]),
        seconds=share * plan.seconds,
        traffic=share * plan.traffic,
        model=predicted.model,
    )
