"""A module that computes a graph: the user's names for what it stores, the user's call, no other cost."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from .errors import CutError
from .structure import input_leaves, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from .graph import Graph, Inputs


OUR_NAMES = {"masks", "fill"}  # of subnetworks; a part of the user's with such a name is read through USERS
USERS = "_subnetlab_users"
_NOT_ONE_ROW = ".size()[0] != 1"  # the end of a guard


class _Users:
    """What the user's module stores under names that are ours in a subnetwork."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return next(
            d[name] for d in (self._network._modules, self._network._parameters, self._network._buffers) if name in d
        )


def compiled(graph: fx.Graph) -> Callable[..., Any]:
    """Return the graph as a Python function of the module that stores its tensors, and of its inputs."""
    code = graph.python_code("self")
    scope = dict(code.globals)
    exec(compile(code.src, f"<graph of {id(graph)}>", "exec"), scope)
    return scope["forward"]


@dataclass
class Parts:
    """What a network is made of, beside what the user's module stores.

    Parameters
    ----------
    owner : str
        "subnetwork" or "masked network", for messages.
    exported : Graph
    graph : fx.Graph
        What to compute; reads what is stored, and ``constants``, by ``get_attr``.
    compute : callable
        The graph as a function (`compiled`).
    constants : dict from name to Tensor
        What is no parameter and no buffer.
    """

    owner: str
    exported: Graph
    graph: fx.Graph
    compute: Callable[..., Any]
    constants: dict[str, Tensor]
    shapes_seen: set[Any] = field(default_factory=set)


class Network(nn.Module):
    """A module that computes a graph in training mode.

    All that is not the user's is in one attribute, so that no name of the user's is taken.

    Parameters
    ----------
    parts : Parts
    original : nn.Module
        The user's module: its names, kinds of tensors and requires_grad are kept.
    tensors : mapping from name to Tensor
        Under first names; kept, not copied.
    """

    def __init__(self, parts: Parts, original: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._subnetlab = parts
        for name, value in parts.constants.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, USERS, _Users(self))
        _store(self, original, parts.exported.aliases, tensors)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the graph for a call as the user's module takes it."""
        parts = self._subnetlab
        leaves = self._leaves(args, kwargs)
        try:
            return parts.exported.rebuild(parts.compute(self, *leaves))
        except RuntimeError as error:
            if types := _other_types(parts.exported.inputs, leaves):
                raise CutError(f"{parts.owner}: inputs must be of the example's types, {types}: {error}") from error
            raise

    def train(self, mode: bool = True) -> Self:
        """Stay in training mode: dropout and batch norm are fixed in the graph."""
        if not mode:
            raise CutError(f"{self._subnetlab.owner}: it computes in training mode only; evaluate the whole network")
        return super().train(mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy what is stored; the graph is shared."""
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        shared = {key: value for key, value in self.__dict__.items() if key in self._SHARED}
        new.__dict__.update(copy.deepcopy({k: v for k, v in self.__dict__.items() if k not in shared}, memo) | shared)
        constants = {name: new.__dict__[name] for name in self._subnetlab.constants}
        new._subnetlab = replace(self._subnetlab, constants=constants)
        return new

    _SHARED = ("_subnetlab",)

    def _copy(self, state: Mapping[str, Tensor]) -> None:
        """Copy numbers into parameters, buffers and constants of the same names."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers()), **self._subnetlab.constants}
        with torch.no_grad():
            for name, tensor in own.items():
                if name in state:
                    tensor.copy_(state[name])

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        constants = self._subnetlab.constants
        for name, value in constants.items():
            constants[name] = fn(value)
            object.__setattr__(self, name, constants[name])
        return super()._apply(fn, recurse)

    def _leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        parts = self._subnetlab
        inputs = parts.exported.inputs
        if len(args) != len(inputs.args) or list(kwargs) != list(inputs.kwargs):
            args, kwargs = _as_in_the_example(parts.owner, inputs, args, kwargs)
        leaves = input_leaves((args, kwargs))
        shapes = tuple([leaf.shape if isinstance(leaf, Tensor) else leaf for leaf in leaves])
        if shapes not in parts.shapes_seen:
            _check(parts.owner, inputs, shapes, {"args": args, "kwargs": kwargs})
            parts.shapes_seen.add(shapes)
        return leaves


def _as_in_the_example(owner: str, inputs: Inputs, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the call's arguments in the places that they have in the example."""
    example = inputs.signature.bind(*inputs.args, **inputs.kwargs).arguments
    given = inputs.signature.bind(*args, **kwargs).arguments
    if "args" in example or "kwargs" in example or set(given) != set(example):
        raise CutError(f"{owner}: it takes the arguments of the example, {list(example)}, got {list(given)}")
    names = list(example)[: len(inputs.args)]
    return tuple(given[name] for name in names), {name: given[name] for name in inputs.kwargs}


def _check(owner: str, inputs: Inputs, shapes: tuple[Any, ...], call: dict[str, Any]) -> None:
    """Raise if the inputs have shapes for which the graph was not made."""
    if len(shapes) != len(inputs.shapes):
        raise CutError(f"{owner}: inputs must have the structure of the example")
    known: dict[str, int] = {}
    for shape, expected in zip(shapes, inputs.shapes, strict=True):
        if not isinstance(expected, torch.Size):
            if isinstance(shape, torch.Size) or shape != expected:
                raise CutError(f"{owner}: what is no tensor must be as in the example, {expected!r}, got {shape!r}")
            continue
        fits = isinstance(shape, torch.Size) and len(shape) == len(expected)
        if not fits or any(not _is(size, want, known) for size, want in zip(shape, expected, strict=True)):
            raise CutError(
                f"{owner}: an input must have the shape {shown(expected)}, where letters may vary, got "
                f"{tuple(shape) if isinstance(shape, torch.Size) else shape}; others may vary by cut's second_example"
            )
    for text, guard in inputs.guards:
        if not guard(call):
            if text.endswith(_NOT_ONE_ROW):
                raise CutError(
                    f"{owner}: a batch must have at least two rows, as batch norm needs, got one: raise batch_size"
                )
            raise CutError(f"{owner}: the network's code relies on {text}, which these inputs break")


def _other_types(inputs: Inputs, leaves: list[Any]) -> str:
    """Return which types of tensors differ from the example's; empty if none do."""
    pairs = zip(input_leaves((inputs.args, inputs.kwargs)), leaves, strict=True)
    differ = [(a.dtype, b.dtype) for a, b in pairs if isinstance(a, Tensor) and isinstance(b, Tensor)]
    return ", ".join(f"{a}, got {b}" for a, b in differ if a != b)


def _is(size: int, expected: Any, known: dict[str, int]) -> bool:
    if isinstance(expected, int):
        return size == expected
    name = str(expected)
    return known.setdefault(name, size) == size


def _store(root: nn.Module, original: nn.Module, aliases: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Give a module parameters and buffers under the user's names."""
    parameters = dict(original.named_parameters(remove_duplicate=False))
    made: dict[str, Tensor] = {}
    for name in [*parameters, *(n for n, _ in original.named_buffers(remove_duplicate=False))]:
        first = aliases.get(name, name)
        path, _, last = name.rpartition(".")
        owner = _module(root, path)
        if name in parameters:
            if first not in made:
                made[first] = nn.Parameter(tensors[first], requires_grad=parameters[name].requires_grad)
            owner._parameters[last] = made[first]  # pyright: ignore[reportArgumentType]
        else:
            persistent = last not in original.get_submodule(path)._non_persistent_buffers_set
            owner._buffers[last] = made.setdefault(first, tensors[first])
            if not persistent:
                owner._non_persistent_buffers_set.add(last)


def _module(root: nn.Module, path: str) -> nn.Module:
    for name in path.split(".") if path else ():
        if name not in root._modules:
            root._modules[name] = nn.Module()
        root = root._modules[name]  # pyright: ignore[reportAssignmentType]
    return root
