"""A run of a module as a stream of events, each sent as soon as its round is done."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...modules.cutting import Cut, cut
from ...modules.data import checked_dataset
from ...modules.evaluation import called, evaluate, loss_function
from ...modules.measures import largest_movements
from ...modules.training import ModuleTraining
from .settings import ModuleSettings
from .subject import Subject

if TYPE_CHECKING:
    from ...datasets import Dataset
    from .subject import Events

_MOST_MEASURED = 2000  # rows on which the whole network is measured after each round


def module_subject(model: Any, data: Dataset) -> Subject:
    """Return a module on data; what `subnetlab.cut` and `subnetlab.train` refuse is refused here.

    Parameters
    ----------
    model : torch.nn.Module or Cut
    data : Dataset
        With class labels for cross-entropy, or numbers to predict for the mean squared error.
    """
    network, loss = model.model if isinstance(model, Cut) else model, "cross_entropy" if data.classes else "mse"
    X, y = checked_dataset("explore: data", data.X, data.y, network, loss, "cpu")
    units = model if isinstance(model, Cut) else cut(network, X[:2])
    on = "all rows" if len(X) <= _MOST_MEASURED else f"the first {_MOST_MEASURED:,} rows"
    groups = "1 group of units is cut" if len(units.groups) == 1 else f"{len(units.groups)} groups of units are cut"
    return Subject(
        f"Training {type(network).__name__} in random subnetworks, live",
        f"{data.name}: {len(X):,} rows; {groups}; {loss}, plain SGD",
        ModuleSettings,
        partial(module_events, units, (X, y), loss),
        "loss",
        "before the last step",
        f"Above, the loss of the whole network on {on} after each round. Below, the rounds chosen there: means over "
        "the subnetworks of the loss on the batch of the next step, before it is taken, and the whole network after "
        "aggregation.",
        groups=len(units.groups),
        layers={
            "movement": "How far the unit of each group that moved most is from where it began, after each round.",
            "held": "The share of each group's units that some subnetwork holds in a round.",
        },
    )


def module_events(units: Cut, dataset: tuple[Any, Any], loss: str, settings: ModuleSettings) -> Events:
    """Train with the bits of `subnetlab.train`; see `Subject`."""
    scheme = settings.scheme()
    scheme.check_rows(len(dataset[0]))
    training, loss_of = ModuleTraining(units, scheme, seed=settings.seed), loss_function(loss)
    measured = tuple(part[:_MOST_MEASURED] for part in dataset)
    yield {
        "event": "start",
        "measure": "loss",
        "engine": training.engine,
        "step_size": settings.step_size,
        "rounds": scheme.rounds,
        "local_steps": scheme.local_steps,
        "full_error": evaluate(training.model, measured, loss)["loss"],
    }
    began = time.perf_counter()
    with closing(training.rounds()) as rounds:
        for round in rounds:
            for subnet in round:
                for x, target in subnet.batches(dataset):
                    subnet.step(loss_of(called(subnet, x), target))
            losses, k = round.loss_array(), round.index
            if not (np.isfinite(losses).all() and round.is_finite()):
                yield {"event": "diverged", "message": f"diverged in round {k}; lower the step size", "round": k}
                return
            round.finish()
            after = evaluate(training.model, measured, loss)["loss"]
            masks = training.masks(k)
            layers = {
                "movement": {name.partition(".")[2]: value for name, value in largest_movements(training).items()},
                "held": {group: float(M.any(axis=0).mean()) for group, M in masks.items()},
            }
            errors = [*losses.mean(axis=1).tolist(), None, after]
            yield {"event": "round", "round": k, "errors": errors, "layers": layers}
    yield {"event": "end", "seconds": time.perf_counter() - began}
