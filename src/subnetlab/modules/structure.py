"""Inputs and outputs of a network as lists of leaves, whatever they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Rebuild = Callable[[Sequence[Any]], Any]


class NotCarried:
    """Stands for an output that is neither a tensor nor made of tensors; any use of it raises."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"subnetwork: an output of type {self._kind} is not carried over from the network")


def taken_apart(value: Any, leaves: list[Any]) -> Rebuild:
    """Append the tensors of an output to ``leaves``, and return what puts an output together from such a list.

    Tuples, lists, mappings and dataclasses are taken apart; anything else that is no tensor is a constant, or not
    carried over.
    """
    if isinstance(value, Tensor):
        place = len(leaves)
        leaves.append(value)
        return lambda results: results[place]
    if isinstance(value, list | tuple):
        items = [taken_apart(item, leaves) for item in value]
        kind = type(value)
        if hasattr(value, "_fields"):  # a named tuple
            return lambda results: kind(*(item(results) for item in items))
        return lambda results: kind(item(results) for item in items)
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        made = {f.name: taken_apart(getattr(value, f.name), leaves) for f in fields(value) if f.init}
        return lambda results: kind(**{name: item(results) for name, item in made.items()})
    if isinstance(value, Mapping):
        kind = type(value)
        made = {key: taken_apart(item, leaves) for key, item in value.items()}
        plain: Any = kind if kind in (dict,) or issubclass(kind, dict) else dict
        return lambda results: plain({key: item(results) for key, item in made.items()})
    kept = value if value is None or isinstance(value, bool | int | float | str) else NotCarried(type(value).__name__)
    return lambda results: kept


def input_leaves(value: Any) -> list[Any]:
    """Return the leaves of inputs: of tuples, lists and dicts, in order."""
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in input_leaves(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in input_leaves(item)]
    return [value]


def like(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the same structure with every leaf changed."""
    if isinstance(value, list | tuple):
        items = [like(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: like(item, change) for key, item in value.items()}
    return change(value)


def to_plain(value: Any, tensors: dict[str, Any]) -> Any:
    """Return a structure as JSON can hold it, its tensors put under numbers; None where something else is inside."""
    try:
        return _plain(value, tensors)
    except TypeError:
        tensors.clear()
        return None


def _plain(value: Any, tensors: dict[str, Any]) -> Any:
    if isinstance(value, Tensor):
        tensors[str(len(tensors))] = value
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _plain(item, tensors) for key, item in value.items()}}
    if type(value) in (list, tuple, set):
        return {type(value).__name__: [_plain(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(type(value))


def from_plain(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what `to_plain` described.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is no such description.
    """
    if not isinstance(plain, dict):
        raise TypeError(f"must be a description of a structure, got {type(plain).__name__}")
    ((kind, value),) = plain.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: from_plain(item, tensors) for key, item in value.items()}
    if kind in ("list", "tuple", "set"):
        return {"list": list, "tuple": tuple, "set": set}[kind](from_plain(item, tensors) for item in value)
    return value
