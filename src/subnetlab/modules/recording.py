"""The errors of every subnetwork inside a round, as the history of a shallow network has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .evaluation import called, evaluate, recalibrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from .evaluation import Loss, Metric
    from .round import Round
    from .training import ModuleTraining


def round_errors(round: Round, dataset: Any, loss: Loss) -> FloatArray:
    """Train all subnetworks of a round, and return their errors after sampling and after each local step.

    What costs nothing is used: the loss from which step t + 1 starts is the error after step t, on the batch of step
    t + 1. After the last step the last batch is passed once more. With all rows in every batch these are the errors on
    all rows.

    Parameters
    ----------
    round : Round
    dataset : pair (X, y) or map-style Dataset
    loss : callable
        A function of (output, target).

    Returns
    -------
    ndarray, shape (tau + 1, p)
    """
    columns: list[list[float]] = []
    for subnet in round:
        batch: Any = None
        for batch in subnet.batches(dataset):
            subnet.step(loss(called(subnet, batch[0]), batch[1]))
        losses = [*subnet.losses, _loss_after(subnet.module, batch, loss)]
        columns.append([float(value) for value in losses])
    return np.array(columns, dtype=np.float64).T


def whole_errors(
    training: ModuleTraining,
    dataset: Any,
    held_out: Any,
    loss: str | Loss,
    metrics: Mapping[str, Metric] | tuple[str, ...] = (),
) -> dict[str, float]:
    """Return the loss of the whole network as it stands, on all rows and on those held out, with metrics of the latter.

    Batch norm's statistics are estimated anew from the rows before: those of subnetworks are not the whole network's.
    """
    model = training.model
    recalibrate(model, dataset)
    found = {"full_error": evaluate(model, dataset, loss)["loss"]}
    if held_out is not None:
        outside = evaluate(model, held_out, loss, metrics)
        found |= {"validation_error": outside.pop("loss"), **outside}
    return found


def _loss_after(module: torch.nn.Module, batch: Any, loss: Loss) -> torch.Tensor:
    """Return the loss on a batch without a step; buffers and torch's random state stay as they were."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        value = loss(called(module, batch[0]), batch[1])
        for name, buffer in module.named_buffers():
            buffer.copy_(buffers[name])
    return value
