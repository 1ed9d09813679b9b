"""A run as a stream of events, each sent as soon as its round is done."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from ...core.network import ShallowReLU
from ...theory.lazy import lazy_model
from ...theory.prediction import predict
from ...training.errors import DivergenceError
from ...training.session import TrainingSession

if TYPE_CHECKING:
    from collections.abc import Generator

    from ...datasets import Dataset
    from .settings import ExploreSettings

_MOST_PREDICTED = 1000  # rows; the prediction needs the eigenvectors of an n x n kernel


def live_events(data: Dataset, settings: ExploreSettings) -> Generator[dict[str, Any], None, None]:
    """Train by the engine that "auto" chooses and yield what happens, ready for JSON.

    The first event is "start" (engine, step size, error before round 0), then comes "prediction" where there is
    one, then a "round" for each, and "end" or "diverged". The bits are those of `subnetlab.train` on one thread.

    Examples
    --------
    >>> import subnetlab as sl
    >>> from subnetlab.report.explore.settings import ExploreSettings
    >>> data = sl.load_dataset("diabetes", n_samples=20)
    >>> [event["event"] for event in live_events(data, ExploreSettings(width=50, rounds=2))]
    ['start', 'prediction', 'round', 'round', 'end']
    """
    network = ShallowReLU.initialize(
        settings.width, data.X.shape[1], init_scale=settings.init_scale, seed=settings.seed
    )
    scheme = settings.scheme()
    session = TrainingSession(network, data.X, data.y, scheme, seed=settings.seed)
    used = session.settings
    yield {
        "event": "start",
        "engine": used.engine,
        "step_size": used.step_size,
        "rounds": scheme.rounds,
        "local_steps": scheme.local_steps,
        "n_subnetworks": scheme.masks.n_subnetworks,
        "selection_prob": scheme.masks.selection_prob,
        "full_error": session.measure(),
    }
    if len(data.X) <= _MOST_PREDICTED:
        predicted = predict(
            lazy_model(network, data.X, data.y), scheme, used.step_size, patterns="frozen"
        )  # soon there
        yield {
            "event": "prediction",
            "full_error": [_finite(value) for value in predicted.full_error],
            "floor": _finite(predicted.floor),
        }
    began = time.perf_counter()
    for k in range(scheme.rounds):
        try:
            record = session.advance()
        except DivergenceError as error:
            yield {"event": "diverged", "message": str(error).removeprefix("train: ").partition(";")[0], "round": k}
            return
        errors = record.subnetwork_errors.mean(axis=1)
        yield {
            "event": "round",
            "round": k,
            "sampled": float(errors[0]),
            "local": errors[1:].tolist(),
            "full_error": float(record.full_error),
        }
    yield {"event": "end", "seconds": time.perf_counter() - began}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
