"""What a network computes and which rows it is trained on, in a few words, and what is refused because of them.

Files keep them, so that a training of the same shapes but of another network, or on other rows, is not continued.
"""

from __future__ import annotations

import hashlib
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from .batches import n_samples
from .tensor_file import bytes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .training import ModuleTraining

_ROWS = 64  # that are looked at, spread evenly


def operations_of(graph: fx.Graph) -> list[str]:
    """Return the operations of an exported network in order, each with its constant arguments.

    ``%3`` is the result of operation 3. Names belong to a version of torch. Devices are left out: a training may go on
    on another one.
    """
    places = {node: f"%{i}" for i, node in enumerate(graph.nodes)}

    def named(value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(named, value))}]"
        if isinstance(value, dict):
            return ", ".join(f"{key}={named(item)}" for key, item in value.items() if key != "device")
        if isinstance(value, fx.Node):
            return places[value]
        plain = value is None or isinstance(value, bool | int | float | complex | str | torch.dtype)
        return str(value) if plain else type(value).__name__

    return [
        f"{_name(node.target)}({', '.join(filter(None, (*map(named, node.args), named(node.kwargs))))})"
        for node in graph.nodes
    ]


def other_operation(there: Sequence[str], here: Sequence[str]) -> list[str]:
    """Return in words the first operation in which two networks differ, if there is one.

    Examples
    --------
    >>> other_operation(["x", "tanh(%0)"], ["x", "relu(%0)"])
    ["operation 1: 'tanh(%0)' there, 'relu(%0)' here"]
    """
    both = enumerate(zip_longest(there, here))
    return [f"operation {i}: {old!r} there, {new!r} here" for i, (old, new) in both if old != new][:1]


def other_settings(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return in words what differs of the settings; more rounds are no other settings."""
    return [
        f"{key}: {there.get(key)!r} there, {value!r} here"
        for key, value in here.items()
        if key != "rounds" and value != there.get(key, value)
    ]


def other_rows(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return in words what differs of what is known of the rows, as far as both sides know it."""
    return [
        f"{name}: {there[name]!r} there, {here[name]!r} here"
        for name in here
        if here[name] != there.get(name, here[name])
    ]


def refuse_others(source: object, different: Sequence[str]) -> None:
    """Raise ValueError if a training differs from the one that a checkpoint is of."""
    if different:
        raise ValueError(f"ModuleTraining: checkpoint {source} must be of the same settings ({'; '.join(different)})")


def take_rows(training: ModuleTraining, dataset: Any) -> None:
    """Take note of the rows of a training.

    Raises
    ------
    ValueError
        If it goes on, and its earlier rounds had other rows.
    """
    here = rows_known(dataset)
    refuse_others(training.gone_on_from, other_rows(training.rows_known, here))
    training.rows_known = {**training.rows_known, **here}


def rows_known(dataset: Any) -> dict[str, Any]:
    """Return what tells data apart: the number of rows, and of two tensors their form and a hash of some rows.

    Parameters
    ----------
    dataset : pair of tensors, or map-style Dataset
        The rows of a Dataset are not looked at: it may draw them.

    Examples
    --------
    >>> rows_known((torch.zeros(3, 2), torch.arange(3)))["targets"]
    'int64 of shape (), hash fa1e0462'
    """
    rows = n_samples(dataset)
    if not (isinstance(dataset, tuple) and all(isinstance(part, torch.Tensor) for part in dataset)):
        return {"rows": rows}
    X, y = dataset
    return {"rows": rows, "inputs": _described(X), "targets": _described(y)}


def _described(rows: torch.Tensor) -> str:
    looked_at = min(_ROWS, len(rows))
    spread = torch.arange(looked_at, device=rows.device) * len(rows) // looked_at
    content = rows.detach()[spread].resolve_conj().resolve_neg()
    digest = hashlib.blake2b(bytes_of(content), digest_size=4).hexdigest()
    return f"{str(rows.dtype).removeprefix('torch.')} of shape {tuple(rows.shape[1:])}, hash {digest}"


def _name(target: Any) -> str:
    """Return the name of an operation, of an input, or of what the network stores."""
    return str(target) if isinstance(target, str | torch._ops.OpOverload) else getattr(target, "__name__", "")
