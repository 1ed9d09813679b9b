"""The example: what the network takes, and what of it may vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.export import Dim

from .errors import CutError
from .structure import input_leaves, like

if TYPE_CHECKING:
    import inspect
    from collections.abc import Sequence


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


def as_call(example_input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return an example input as positional and keyword arguments."""
    if isinstance(example_input, Tensor):
        return (example_input,), {}
    if isinstance(example_input, tuple | list):
        return tuple(example_input), {}
    if hasattr(example_input, "keys"):
        return (), {str(key): example_input[key] for key in example_input.keys()}  # noqa: SIM118
    raise CutError(
        "cut: example_input must be a tensor, a tuple of arguments or a dict of keyword arguments, "
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
