"""The door for data: rows and targets are checked, and tried on the network, before any work begins."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .batches import as_tensor, n_samples, precision_of, rows_of
from .errors import first_line
from .evaluation import LOSSES, called, loss_function

if TYPE_CHECKING:
    from .evaluation import Loss

_IGNORED = -100  # the class that torch's cross-entropy leaves out


def checked_dataset(
    name: str, X: Any, y: Any, model: torch.nn.Module, loss: str | Loss, device: torch.device | str
) -> Any:
    """Return the data as training takes them, after a forward pass of two rows through a copy of the network.

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
        Where the network is trained.

    Returns
    -------
    pair of tensors, or the Dataset

    Raises
    ------
    TypeError, ValueError
        If they are no such data, are not finite, or do not fit the network or the loss.
    """
    dataset = X
    if y is not None:
        dataset = _checked_pair(name, X, y, loss, precision_of(model))
    if n_samples(dataset, name) == 0:
        raise ValueError(f"{name} must have at least one row, got none")
    _try(name, dataset, model, loss, device)
    return dataset


def _checked_pair(name: str, X: Any, y: Any, loss: str | Loss, precision: torch.dtype) -> tuple[Any, Any]:
    if isinstance(X, torch.utils.data.Dataset | torch.utils.data.DataLoader):
        raise TypeError(f"{name} must be a Dataset alone, since it holds the targets, got both")
    rows, targets = as_tensor(X, precision, name), y
    if not (isinstance(y, torch.Tensor) and callable(loss)):  # a function of the user's may want other numbers
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


def _try(name: str, dataset: Any, model: torch.nn.Module, loss: str | Loss, device: torch.device | str) -> None:
    """Take two rows through a copy of the network and through the loss."""
    with torch.random.fork_rng(devices=[]):
        batch = rows_of(dataset, np.arange(min(2, n_samples(dataset))), device, name)
    if not (isinstance(batch, tuple) and len(batch) == 2):
        items = f"{len(batch)} parts" if isinstance(batch, tuple) else type(batch).__name__
        raise ValueError(f"{name} must be a Dataset of pairs (input, target), got items of {items}")
    x, target = batch
    whole = copy.deepcopy(model).to(device).train()  # as subnetworks compute
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            output = called(whole, x)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"{name} must be inputs that the network takes, got {_described(x)} ({first_line(error)})"
            ) from error
        pair = f"{_described(target)} beside outputs of {_described(output)}"
        if loss in ("mse", "bce") and not _same_shape(output, target):
            raise ValueError(f"{name}: targets must have the outputs' shape for loss {loss!r}, got {pair}")
        if loss == "cross_entropy" and isinstance(dataset, tuple):
            _check_classes(name, dataset[1], output)
        try:
            value = loss_function(loss)(output, target)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            if loss not in LOSSES:
                raise  # the user's own function says best what it misses
            raise ValueError(
                f"{name}: targets must be such as loss {loss!r} takes, got {pair} ({first_line(error)})"
            ) from error
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise TypeError(f"{name}: loss must return a tensor with one entry, got {_described(value)}")


def _check_classes(name: str, targets: torch.Tensor, output: Any) -> None:
    if targets.is_floating_point() or not isinstance(output, torch.Tensor) or output.ndim < 2:
        return
    classes = output.shape[1]
    wrong = targets[((targets < 0) & (targets != _IGNORED)) | (targets >= classes)]
    if len(wrong):
        raise ValueError(f"{name}: classes must be 0 to {classes - 1}, got {int(wrong[0])}")


def _same_shape(output: Any, target: Any) -> bool:
    return isinstance(output, torch.Tensor) and isinstance(target, torch.Tensor) and output.shape == target.shape


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_described(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(_described, value)) + ")"
    return type(value).__name__
