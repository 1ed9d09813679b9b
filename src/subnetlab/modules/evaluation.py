"""The whole network on data: mean loss, metrics, and batch-norm statistics estimated anew."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from ..core import checks
from .batches import as_tensor, n_samples, precision_of, rows_of
from .structure import as_call, input_leaves, like, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Loss: TypeAlias = "Callable[[Any, Any], torch.Tensor]"
Metric: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor | float]"

LOSSES: dict[str, Loss] = {
    "cross_entropy": torch.nn.functional.cross_entropy,
    "mse": torch.nn.functional.mse_loss,
    "bce": torch.nn.functional.binary_cross_entropy_with_logits,
}


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the share of rows whose largest output is the target's class."""
    return (output.argmax(dim=1) == target).to(torch.float64).mean()


METRICS: dict[str, Metric] = {"accuracy": accuracy}


def loss_function(loss: str | Loss) -> Loss:
    """Return the loss by its name, or as it is given: a function of (output, target) that takes the mean over rows."""
    if isinstance(loss, str):
        return LOSSES[checks.one_of("train", "loss", loss, tuple(LOSSES))]
    if not callable(loss) or isinstance(loss, type):
        got = f"the class {loss.__name__}" if isinstance(loss, type) else type(loss).__name__
        raise TypeError(f"train: loss must be a function of (output, target) or a name, got {got}")
    return loss


def called(module: Callable[..., Any], inputs: Any) -> Any:
    """Return the module's output: a tuple or dict of inputs are its arguments, as in `subnetlab.cut`."""
    args, kwargs = as_call(inputs)
    return module(*args, **kwargs)


def metric_functions(metrics: Mapping[str, Metric] | tuple[str, ...] | list[str] | str) -> dict[str, Metric]:
    """Return metrics by name, from names or from functions of (output, target) that take the mean over rows."""
    if isinstance(metrics, str):
        metrics = (metrics,)
    if isinstance(metrics, tuple | list):
        return {name: METRICS[checks.one_of("train", "metrics", name, tuple(METRICS))] for name in metrics}
    return dict(metrics)


def in_order(dataset: Any, batch_size: int, device: torch.device) -> Iterator[tuple[Any, Any]]:
    """Yield all rows in their order, in batches."""
    name = "evaluation: dataset"
    rows = n_samples(dataset, name)
    for start in range(0, rows, batch_size):
        yield rows_of(dataset, np.arange(start, min(start + batch_size, rows)), device, name)


def evaluate(
    model: torch.nn.Module,
    dataset: Any,
    loss: str | Loss,
    metrics: Mapping[str, Metric] | tuple[str, ...] = (),
    *,
    batch_size: int = 1000,
) -> dict[str, float]:
    """Return the mean loss and metrics of a module on all rows, in evaluation mode; its mode is left as it was.

    Parameters
    ----------
    model : torch.nn.Module
    dataset : pair (X, y) or map-style Dataset
    loss : str or callable
        "cross_entropy", "mse", "bce", or a function of (output, target) that takes the mean over rows.
    metrics : tuple of {"accuracy"}, or mapping from name to function
    batch_size : int, default 1000

    Returns
    -------
    dict from "loss" and the metrics' names to float
        Means over the rows, weighted by the rows of each batch.

    Examples
    --------
    >>> x, y = torch.eye(3), torch.tensor([0, 1, 1])
    >>> evaluate(torch.nn.Identity(), (x, y), "cross_entropy", ("accuracy",))["accuracy"]
    0.6666666666666666
    """
    measures = {"loss": loss_function(loss), **metric_functions(metrics)}
    sums, rows, done = dict.fromkeys(measures, 0.0), n_samples(dataset), 0
    with _mode_kept(model) as device:
        model.eval()
        for x, y in in_order(dataset, batch_size, device):
            output, size = called(model, x), min(batch_size, rows - done)
            for name, measure in measures.items():
                sums[name] += float(measure(output, y)) * size
            done += size
    return {name: total / rows for name, total in sums.items()}


def outputs(model: torch.nn.Module, X: Any, *, batch_size: int = 1000) -> Any:
    """Return the outputs of a module in evaluation mode for every row; its mode is left as it was.

    Parameters
    ----------
    model : torch.nn.Module
    X : tensor or array, or a tuple or dict of the module's arguments
        Floating numbers are taken in the module's precision.
    batch_size : int, default 1000

    Returns
    -------
    tensor, or whatever the module returns, made of tensors with all rows
        Numbers without rows, such as a loss that the module computes, come once per batch.
    """

    def tensor(values: Any) -> torch.Tensor:
        return as_tensor(values, precision_of(model), "outputs: X")

    inputs = like(X, tensor) if isinstance(X, tuple | dict) else tensor(X)
    rows = len(input_leaves(inputs)[0])

    def part(start: int, device: torch.device) -> tuple[list[torch.Tensor], Callable[[Any], Any]]:
        batch = like(inputs, lambda leaf: leaf[start : start + batch_size].to(device))
        leaves: list[torch.Tensor] = []
        put_together = taken_apart(called(model, batch), leaves)
        return leaves, put_together

    with _mode_kept(model) as device:
        model.eval()
        parts = [part(start, device) for start in range(0, max(rows, 1), batch_size)]
    leaves = zip(*(found for found, _ in parts), strict=True)
    return parts[0][1]([torch.cat([p if p.ndim else p[None] for p in leaf]) for leaf in leaves])


def recalibrate(model: torch.nn.Module, dataset: Any, *, batch_size: int = 1000) -> None:
    """Estimate the running statistics of batch norm anew, in place, as means over batches of the data.

    Subnetworks see the statistics of fewer channels, and their means over holders are not those of the whole network.
    Nothing happens to a module without batch norm.
    """
    with _mode_kept(model) as device:
        inputs = ([x] for x, _ in in_order(dataset, batch_size, device))
        torch.optim.swa_utils.update_bn(inputs, _WithArguments(model))


@contextmanager
def _mode_kept(model: torch.nn.Module) -> Iterator[torch.device]:
    """Yield the device of a module; without gradients inside, and every part is left in the mode that it was in."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        with torch.no_grad():
            yield next(iter(model.parameters()), torch.empty(0)).device
    finally:
        for part, training in modes:
            part.training = training


class _WithArguments(torch.nn.Module):
    """A module that takes its arguments as one tuple or dict."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Any) -> Any:
        return called(self.module, inputs)
