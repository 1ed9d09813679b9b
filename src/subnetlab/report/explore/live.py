"""A run of the shallow network as a stream of events, each sent as soon as its round is done."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

from ...core.network import ShallowReLU
from ...theory.lazy import lazy_model
from ...theory.prediction import predict
from ...training.errors import DivergenceError
from ...training.session import TrainingSession
from .settings import ExploreSettings
from .subject import Subject

if TYPE_CHECKING:
    from ...datasets import Dataset
    from .subject import Events

_MOST_PREDICTED = 1000  # rows; the prediction needs the eigenvectors of an n x n kernel


def shallow_subject(data: Dataset) -> Subject:
    """Return the shallow network of the paper on data with numbers to predict."""
    return Subject(
        "Training with randomly masked neurons, live",
        f"{data.name}: {len(data.X):,} rows, {data.X.shape[1]} features, unit rows, full-batch steps",
        ExploreSettings,
        partial(live_events, data),
        "error",
        "after local training",
        "Above, |y−u|² of the whole network after each round, beside its expected value over all masks in the lazy "
        "regime, computed without training. Below, the rounds chosen there: sampling masks changes the mean of |y−f|² "
        "over the subnetworks at once, local steps lower it, and aggregation makes the whole network of the parts.",
        predicted=True,
    )


def live_events(data: Dataset, settings: ExploreSettings) -> Events:
    """Train by the engine that "auto" chooses, with the bits of `subnetlab.train` on one thread; see `Subject`.

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
        "measure": "error",
        "engine": used.engine,
        "step_size": used.step_size,
        "rounds": scheme.rounds,
        "local_steps": scheme.local_steps,
        "full_error": session.measure(),
    }
    if len(data.X) <= _MOST_PREDICTED:
        model = lazy_model(network, data.X, data.y)
        predicted = predict(model, scheme, used.step_size, patterns="frozen")  # soon there
        yield {"event": "prediction", "full_error": [_finite(value) for value in predicted.full_error]}
    began = time.perf_counter()
    for k in range(scheme.rounds):
        try:
            record = session.advance()
        except DivergenceError as error:
            yield {"event": "diverged", "message": str(error).removeprefix("train: ").partition(";")[0], "round": k}
            return
        errors = [*record.subnetwork_errors.mean(axis=1).tolist(), float(record.full_error)]
        yield {"event": "round", "round": k, "errors": errors}
    yield {"event": "end", "seconds": time.perf_counter() - began}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
