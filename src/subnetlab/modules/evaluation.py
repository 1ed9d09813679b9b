"""The whole network on data: mean loss, metrics, outputs, and batch norm's statistics estimated anew."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from ..core import checks
from .batches import as_tensor, n_samples, precision_of, rows_of
from .errors import in_our_words
from .fidelity import counts
from .recalibration import estimating, means_over_batches
from .structure import as_call, described, input_leaves, like, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..core.arrays import IntArray

Loss: TypeAlias = "Callable[[Any, Any], torch.Tensor]"
Metric: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor | float]"

LOSSES: dict[str, Loss] = {
    "cross_entropy": torch.nn.functional.cross_entropy,
    "mse": torch.nn.functional.mse_loss,
    "bce": torch.nn.functional.binary_cross_entropy_with_logits,
}


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the share of rows whose largest output is the target's class."""
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or target.shape != output[:, 0].shape:
        raise ValueError("accuracy wants one class for each row of scores")
    return (output.argmax(dim=1) == target).to(torch.float64).mean()


_IGNORED = -100  # the class that torch's cross-entropy leaves out
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
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f"train: metrics must be names, or map names to functions of (output, target), got {type(metrics).__name__}"
        )
    for name, metric in metrics.items():
        if not isinstance(name, str) or name == "loss":
            raise ValueError(f"train: metrics must be named by strings other than 'loss', got {name!r}")
        checks.function("train", f"metrics[{name!r}]", metric)
    return dict(metrics)


def check_classes(name: str, targets: Any, output: Any, rows: Sequence[int] | IntArray | None = None) -> None:
    """Raise ValueError if a target is a class that the output has no score for.

    Parameters
    ----------
    name : str
        What the message calls the data.
    targets, output
        Of cross-entropy; anything but class labels and scores passes.
    rows : sequence of int, optional
        Which rows of the data these are; the first ones by default.
    """
    if not isinstance(targets, torch.Tensor) or not targets.ndim or not counts(targets):
        return
    if not isinstance(output, torch.Tensor) or output.ndim < 2:
        return
    classes = output.shape[1]
    wrong = ((targets < 0) & (targets != _IGNORED)) | (targets >= classes)
    if wrong.any():
        place = int(wrong.flatten(1).any(1).nonzero()[0]) if wrong.ndim > 1 else int(wrong.nonzero()[0])
        row = place if rows is None else rows[place]
        raise ValueError(f"{name}: classes must be 0 to {classes - 1}, got {int(targets[wrong][0])} in row {row}")


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
    batch_size = checks.whole_number("evaluate", "batch_size", batch_size, least=1)
    sums, rows, done = dict.fromkeys(measures, 0.0), n_samples(dataset), 0
    with _mode_kept(model) as device:
        model.eval()
        for x, y in in_order(dataset, batch_size, device):
            output, size = called(model, x), min(batch_size, rows - done)
            if loss == "cross_entropy":
                check_classes("evaluate: dataset", y, output, range(done, done + size))
            got = f"got {described(y)} beside outputs of {described(output)}"
            for name, measure in measures.items():
                function = "loss" if name == "loss" else f"metrics[{name!r}]"
                with in_our_words(f"train: {function} must return one number for (output, target), {got}"):
                    sums[name] += float(measure(output, y)) * size
            done += size
    return {name: total / rows for name, total in sums.items()}


def outputs(model: torch.nn.Module, X: Any, *, batch_size: int = 1000, takes: str = "") -> Any:
    """Return the outputs of a module in evaluation mode for every row; its mode is left as it was.

    Parameters
    ----------
    model : torch.nn.Module
    X : tensor or array, or a tuple or dict of the module's arguments
        Floating numbers are taken in the module's precision.
    batch_size : int, default 1000
    takes : str, optional
        The shapes that the module is known to take, for the message where it does not take X.

    Returns
    -------
    tensor, or whatever the module returns, made of tensors with all rows
        Numbers without rows, such as a loss that the module computes, come once per batch.
    """

    def tensor(values: Any) -> torch.Tensor:
        return as_tensor(values, precision_of(model), "outputs: X")

    batch_size = checks.whole_number("outputs", "batch_size", batch_size, least=1)
    inputs = like(X, tensor) if isinstance(X, tuple | dict) else tensor(X)

    def part(start: int, device: torch.device) -> tuple[list[torch.Tensor], Callable[[Any], Any]]:
        batch = like(inputs, lambda leaf: leaf[start : start + batch_size].to(device))
        leaves: list[torch.Tensor] = []
        put_together = taken_apart(called(model, batch), leaves)
        return leaves, put_together

    known = f", such as {takes}" if takes else ""
    wrong = f"outputs: X must be inputs that the network takes{known}, got {described(inputs)}"
    with _mode_kept(model) as device, in_our_words(wrong):
        rows = len(input_leaves(inputs)[0])
        model.eval()
        parts = [part(start, device) for start in range(0, max(rows, 1), batch_size)]
    leaves = zip(*(found for found, _ in parts), strict=True)
    return parts[0][1]([torch.cat([p if p.ndim else p[None] for p in leaf]) for leaf in leaves])


def recalibrate(model: torch.nn.Module, dataset: Any, *, batch_size: int = 1000) -> None:
    """Estimate the running statistics of batch norm anew, in place, as means over batches of the data.

    Everything else computes as it does in evaluation, without dropout, so that nothing is random. Batch norm that is in
    evaluation mode within a network in training mode was frozen by the user, and keeps its statistics. Nothing happens
    to a module without batch norm.

    Parameters
    ----------
    model : torch.nn.Module
        Its mode is left as it was.
    dataset : pair (X, y) or map-style Dataset
        At least two rows; batches differ by at most one row.
    batch_size : int, default 1000
        The largest.

    Raises
    ------
    ValueError
        If there are fewer than two rows.

    Examples
    --------
    >>> model = torch.nn.BatchNorm1d(2)
    >>> recalibrate(model, (torch.tensor([[0.0, 4.0], [2.0, 8.0]]), torch.zeros(2)))
    >>> model.running_mean, model.running_var
    (tensor([1., 6.]), tensor([2., 8.]))
    """
    norms = estimating(model)
    if not norms:
        return
    rows = checks.whole_number("recalibrate", "the number of rows", n_samples(dataset), least=2)
    with _mode_kept(model) as device, means_over_batches(norms):
        model.eval()
        for norm in norms:
            norm.train()
        for batch in np.array_split(np.arange(rows), -(-rows // batch_size)):
            called(model, rows_of(dataset, batch, device)[0])


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
