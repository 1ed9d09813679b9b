"""The door for data: rows and targets are checked, and tried on the network, before any work begins."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .batches import as_tensor, check_dense, n_samples, precision_of, rows_of
from .errors import in_our_words
from .evaluation import LOSSES, called, check_classes, loss_function
from .structure import described
from .subnet import random_state_kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from .evaluation import Loss
    from .training import ModuleTraining


def checked_dataset(
    name: str, X: Any, y: Any, model: torch.nn.Module, loss: str | Loss, device: torch.device | str
) -> Any:
    """Return the data as they are evaluated, after a forward pass of two rows through a copy of the network.

    Floating numbers in arrays and tensors are taken in the network's precision, and labels as torch's losses want them.

    Parameters
    ----------
    name : str
        What messages call them: "train: X and y", or "train: validation".
    X : tensor, array, or map-style Dataset of pairs (input, target)
    y : tensor or array; None beside a Dataset
    model : torch.nn.Module
    loss : str or callable
    device : torch.device or str
        Where the network is called.

    Returns
    -------
    pair of tensors, or the Dataset

    Raises
    ------
    TypeError, ValueError
        If they are no such data, are not finite, or do not fit the network or the loss.
    """
    dataset = checked_rows(name, X, y, model, loss)
    _try(name, dataset, model, loss, device)
    return dataset


def checked_rows(name: str, X: Any, y: Any, model: torch.nn.Module, loss: str | Loss) -> Any:
    """Return the data in the same way without a trial."""
    dataset = X if y is None else _checked_pair(name, X, y, loss, precision_of(model))
    if n_samples(dataset, name) == 0:
        raise ValueError(f"{name} must have at least one row, got none")
    return dataset


def _checked_pair(name: str, X: Any, y: Any, loss: str | Loss, precision: torch.dtype) -> tuple[Any, Any]:
    if isinstance(X, torch.utils.data.Dataset | torch.utils.data.DataLoader):
        raise TypeError(f"{name} must be a Dataset alone, since it holds the targets, got both")
    rows, targets = as_tensor(X, precision, name), y
    if isinstance(y, torch.Tensor) and callable(loss):  # a function of the user's may want other numbers
        check_dense(y, name)
    else:
        targets = as_tensor(y, precision, name)
    if loss == "cross_entropy" and not (targets.is_floating_point() or targets.is_complex()):
        targets = targets.long()
    elif isinstance(loss, str) and not targets.is_complex():
        targets = targets.to(precision)
    if rows.ndim == 0 or targets.ndim == 0 or len(rows) != len(targets):
        shapes = f"{tuple(rows.shape)} and {tuple(targets.shape)}"
        raise ValueError(f"{name} must have equally many rows, got the shapes {shapes}")
    for tensor in (rows, targets):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            first = int((~torch.isfinite(tensor)).flatten(1 if tensor.ndim > 1 else 0).nonzero()[0, 0])
            raise ValueError(f"{name} must be finite, got NaN or infinity in row {first}")
    return rows, targets


def try_step(name: str, dataset: Any, training: ModuleTraining, loss: str | Loss) -> None:
    """Take a local step with a copy of the first subnetwork, on two rows, or on one where batches have one.

    Raises
    ------
    TypeError, ValueError
        If network, data, loss and optimiser do not fit together; ``name`` is what messages call the data.
    """
    there, scheme = n_samples(dataset), training.scheme
    rows = min(2, there // (scheme.shards or 1), scheme.batch_size or there)
    with random_state_kept():
        x, target = _first_rows(name, dataset, rows, training.device)
        subnet = training.trial()
        subnet.attempt(_loss_of(name, subnet, x, target, loss, dataset))


def _try(name: str, dataset: Any, model: torch.nn.Module, loss: str | Loss, device: torch.device | str) -> None:
    """Take two rows through a copy of the network, as it is evaluated, and through the loss."""
    with torch.no_grad(), random_state_kept():
        x, target = _first_rows(name, dataset, 2, device)
        _loss_of(name, copy.deepcopy(model).to(device).eval(), x, target, loss, dataset)


def _first_rows(name: str, dataset: Any, rows: int, device: torch.device | str) -> tuple[Any, Any]:
    batch = rows_of(dataset, np.arange(min(rows, n_samples(dataset))), device, name)
    if not (isinstance(batch, tuple) and len(batch) == 2):
        items = f"{len(batch)} parts" if isinstance(batch, tuple) else type(batch).__name__
        raise ValueError(f"{name} must be a Dataset of pairs (input, target), got items of {items}")
    return batch


def _loss_of(
    name: str, module: Callable[..., Any], x: Any, target: Any, loss: str | Loss, dataset: Any
) -> torch.Tensor:
    """Return the loss of the first rows; classes are looked at in all rows that are in memory."""
    with in_our_words(f"{name} must be inputs that the network takes, got {described(x)}"):
        output = called(module, x)
    pair = f"{described(target)} beside outputs of {described(output)}"
    if loss in ("mse", "bce") and not _same_shape(output, target):
        raise ValueError(f"{name}: targets must have the outputs' shape for loss {loss!r}, got {pair}")
    if loss == "cross_entropy":
        check_classes(name, dataset[1] if isinstance(dataset, tuple) else target, output)
    rule = (
        f"targets must be such as loss {loss!r} takes"
        if loss in LOSSES
        else "loss must be a function of (output, target)"
    )
    with in_our_words(f"{name}: {rule}, got {pair}"):
        value = loss_function(loss)(output, target)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise TypeError(f"{name}: loss must return a tensor with one entry, got {described(value)}")
    return value


def _same_shape(output: Any, target: Any) -> bool:
    return isinstance(output, torch.Tensor) and isinstance(target, torch.Tensor) and output.shape == target.shape
