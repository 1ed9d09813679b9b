"""train(compare=...): the same run with frozen patterns, and the distance between the two."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..surroundings import undisturbed
from .comparison import COMPARISONS, Comparison
from .errors import DivergenceError
from .session import TrainingSession

if TYPE_CHECKING:
    from .run import TrainingRun


def twin_of(run: TrainingRun, compare: str) -> TrainingSession:
    """Return a session that starts where ``run`` started, with the engine ``compare``.

    Raises
    ------
    ValueError
        If there is no such comparison, or the engine lacks what the run needs.
    """
    checks.one_of("train", "compare", compare, COMPARISONS)
    data, settings = run.data, run.settings
    return TrainingSession(
        run.initial_network,
        data.X,
        data.y,
        replace(run.scheme, step_size=settings.step_size),
        seed=settings.seed,
        engine=compare,
        threads=settings.threads,
        sample_weight=data.sample_weight,
        loss=settings.loss,
        learn_signs=settings.learn_signs,
    )


def compared(run: TrainingRun, twin: TrainingSession) -> TrainingRun:
    """Return the run with its `Comparison`: the twin's rounds are run now, as many as the run has."""
    try:
        while twin.rounds_done < run.history.rounds:
            twin.advance()
        other, diverged = twin.run(), False
    except DivergenceError as error:
        other, diverged = error.run, True
    with undisturbed(run.settings.threads):
        moved = np.linalg.norm(run.network.weights - run.initial_network.weights)
        apart = np.linalg.norm(run.network.weights - other.network.weights)
    theirs = other.history.full_error
    comparison = Comparison(
        history=other.history,
        weight_distance=np.inf if diverged else float(apart / moved) if moved else 0.0,
        error_distance=np.abs(run.history.full_error[: len(theirs)] - theirs),
    )
    return replace(run, comparison=comparison)
