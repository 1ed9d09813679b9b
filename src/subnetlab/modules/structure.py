"""What a network takes and returns, as lists of leaves, whatever it is made of; what may vary of the example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.export import Dim

from .errors import CutError

if TYPE_CHECKING:
    import inspect
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


@dataclass(frozen=True)
class Inputs:
    """What the network takes: positional and keyword arguments, and the shapes that they may have.

    Parameters
    ----------
    signature : inspect.Signature
        Of the network's forward.
    args : tuple
    kwargs : dict
        The example.
    shapes : list
        For every leaf the shape of a tensor, with symbols for the dimensions that vary, or the value of what is none.
    guards : sequence of (str, callable)
        Rules for the shapes that the network's own code relies on.
    """

    signature: inspect.Signature
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: list[Any]
    guards: list[tuple[str, Any]]

    def described(self) -> str:
        """Return the shapes of the tensors, with a letter for each size that may vary."""
        return ", ".join(shown(shape) for shape in self.shapes if isinstance(shape, torch.Size))

    def name_of(self, placeholder: str) -> str:
        """Return what the user's forward calls an input that the graph calls args_0, or kwargs_mask."""
        kind, _, rest = placeholder.partition("_")
        place, _, inside = rest.partition("_")
        names = list(self.signature.parameters)
        if kind == "args" and place.isdigit() and int(place) < len(names):
            return "_".join(filter(None, (names[int(place)], inside)))
        return rest if kind == "kwargs" else placeholder

    def one_row_more(self, leaves: Sequence[Any]) -> list[Any]:
        """Return inputs with one row more than the example, where the batch may vary and that breaks no rule."""
        batch = next(
            (s[0] for s in self.shapes if isinstance(s, torch.Size) and len(s) and not isinstance(s[0], int)), None
        )
        fits = [isinstance(s, torch.Size) and len(s) > 0 and str(s[0]) == str(batch) for s in self.shapes]
        longer = [torch.cat([v, v[:1]]) if fit else v for v, fit in zip(leaves, fits, strict=True)]
        places = iter(longer)
        args, kwargs = like((self.args, self.kwargs), lambda _: next(places))
        return longer if all(guard({"args": args, "kwargs": kwargs}) for _, guard in self.guards) else list(leaves)


def check_second(shapes: Sequence[Any], second: tuple[Any, Any]) -> None:
    """Raise CutError if a second example has a size in which the network, as it was exported, cannot vary."""
    for shape, leaf in zip(shapes, input_leaves(second), strict=True):
        sizes = zip(shape[1:], leaf.shape[1:], strict=True) if isinstance(shape, torch.Size) else ()
        if any(str(size).isdigit() and str(size) != str(other) for size, other in sizes):
            raise CutError(
                f"cut: second_example must differ in sizes that may vary, got {tuple(leaf.shape)}, where the network "
                f"takes {shown(shape)} alone"
            )


def shown(shape: torch.Size) -> str:
    """Return an expected shape with a letter for each size that may vary, n for the batch."""
    varies = dict.fromkeys(str(size) for size in shape if not str(size).isdigit())  # a SymInt may be a number
    letters = dict(zip(varies, "nabcdefgh", strict=False))
    return f"({', '.join(letters.get(str(size), str(size)) for size in shape)})"


def as_call(example_input: Any, name: str = "example_input") -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return an example input as positional and keyword arguments; ``name`` is the argument that messages name."""
    if isinstance(example_input, Tensor):
        return (example_input,), {}
    if isinstance(example_input, tuple | list):
        return tuple(example_input), {}
    if hasattr(example_input, "keys"):
        return (), {str(key): example_input[key] for key in example_input.keys()}  # noqa: SIM118
    raise CutError(
        f"cut: {name} must be a tensor, a tuple of arguments or a dict of keyword arguments, "
        f"got {type(example_input).__name__}"
    )


def batch_of_two(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Repeat the rows of an example of one: torch takes a length of one for a fixed one."""
    tensors = [leaf for leaf in input_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.ndim]
    if not tensors:
        raise CutError("cut: example_input must hold a tensor whose first dimension is the batch")
    if any(len(t) == 0 for t in tensors):
        raise CutError("cut: example_input must have at least one row")
    if any(len(t) != 1 for t in tensors):
        return args, kwargs

    def twice(leaf: Any) -> Any:
        return leaf.repeat(2, *[1] * (leaf.ndim - 1)) if isinstance(leaf, Tensor) and leaf.ndim else leaf

    return like((args, kwargs), twice)


def varying_dimensions(example: tuple[Any, Any], second: tuple[Any, Any] | None) -> Any:
    """Return, in the structure of the example, the dimensions that may vary."""
    others = iter(input_leaves(second) if second is not None else [])
    if second is not None and len(input_leaves(second)) != len(input_leaves(example)):
        raise CutError("cut: second_example must have the structure of example_input")

    def dimensions(leaf: Any) -> Any:
        other = next(others, None)
        if not isinstance(leaf, Tensor):
            return None
        if other is not None and (not isinstance(other, Tensor) or other.ndim != leaf.ndim):
            raise CutError("cut: second_example must have the structure of example_input")
        differ = [d for d in range(leaf.ndim) if d == 0 or (other is not None and other.shape[d] != leaf.shape[d])]
        return dict.fromkeys(differ, Dim.AUTO)

    return like(example, dimensions)


def described(value: Any) -> str:
    """Return the types and shapes of tensors in a structure, for messages."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {described(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(described, value)) + ")"
    return type(value).__name__
