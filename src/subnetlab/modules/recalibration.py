"""Which running statistics of batch norm are estimated anew for the whole network, and from which rows.

Subnetworks compute with the statistics of their own batches and of fewer channels, and the running ones are means over
holders. They are not those of the whole network, which uses them whenever it is evaluated.
`subnetlab.modules.evaluation.recalibrate` estimates them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ..core import checks
from .batches import n_samples

if TYPE_CHECKING:
    from collections.abc import Iterator


def estimating(model: torch.nn.Module) -> list[_BatchNorm]:
    """Return the batch norm whose running statistics follow the data.

    One in evaluation mode, in a network in training mode, was frozen by the user.
    """
    norms = [part for part in model.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    return [norm for norm in norms if norm.training or not model.training]


@contextmanager
def means_over_batches(norms: list[_BatchNorm]) -> Iterator[None]:
    """Begin statistics anew, and take each batch for as much as every other; torch does so without a momentum."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def check_can_recalibrate(owner: str, model: torch.nn.Module) -> None:
    """Raise ValueError unless a module has statistics that `recalibrate` estimates."""
    if not estimating(model):
        raise ValueError(
            f"{owner}: recalibrate must be False for a network without batch norm that keeps running statistics, "
            f"got {type(model).__name__}"
        )


def rows_to_recalibrate(owner: str, dataset: Any, recalibrate: bool | int) -> Any:
    """Return the rows that ``recalibrate=True``, or a number of rows, means: all of a data set, or the first ones."""
    if recalibrate is True:
        return dataset
    rows = checks.whole_number(owner, "recalibrate", recalibrate, least=2, most=n_samples(dataset))
    if isinstance(dataset, tuple | list):
        return tuple(part[:rows] for part in dataset)
    return torch.utils.data.Subset(dataset, range(rows))
