"""One operation of the graph, as its rule sees it: the labels of its arguments, and what it may say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, fx

from .atoms import Axis, agree, axis_of, axis_size, freeze
from .graph import CONSTANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .labels import Labels

    Axes: TypeAlias = tuple[Axis, ...]
    Labelled: TypeAlias = "Axes | list[Axes]"  # of one tensor, or of each of several
    Argument: TypeAlias = "str | tuple[str, int]"  # by its name in the schema; an item of a list by name and place


@dataclass(frozen=True)
class Consumption:
    """An axis of units that an operation sums over with weights.

    Parameters
    ----------
    node : fx.Node
    argument : str or (str, int)
        Whose axis it is.
    dimension : int
    axis : Axis
        What is summed over; factors that the operation keeps are replaced by frozen ones.
    weight : str or (str, int)
        The other operand.
    weight_dimension : int
    weight_axis : Axis
        What is summed over, on the other operand.
    """

    node: fx.Node
    argument: Argument
    dimension: int
    axis: Axis
    weight: Argument
    weight_dimension: int
    weight_axis: Axis

    @property
    def weight_node(self) -> fx.Node:
        """The node of the other operand."""
        return argument_of(self.node, self.weight)


@dataclass(frozen=True)
class Production:
    """An axis of units that an operation computes from weights."""

    node: fx.Node
    axis: Axis
    weight: fx.Node
    embedding: bool = False


class Operation:
    """A node of the graph with named arguments.

    Parameters
    ----------
    labels : Labels
    node : fx.Node
        A call of an operation with a schema.
    """

    def __init__(self, labels: Labels, node: fx.Node) -> None:
        self._labels = labels
        self.node = node
        self.name = str(node.target)
        self.arguments = named_arguments(node)

    def __getitem__(self, argument: Argument) -> Any:
        """Return an argument as the graph has it: a number, a list, a node."""
        if isinstance(argument, tuple):
            return self.arguments[argument[0]][argument[1]]
        return self.arguments.get(argument)

    def axes(self, argument: Argument) -> Axes:
        """Return the labels of a tensor.

        Raises
        ------
        TypeError
            If the argument is no tensor, or there is none of that name.
        """
        try:
            return self._labels.of(self[argument])
        except (KeyError, TypeError) as error:
            known = ", ".join(map(str, self.tensors()))
            raise TypeError(
                f"{argument!r} is not a tensor among the arguments of {self.name}, which are {known}"
            ) from error

    def is_tensor(self, argument: Argument) -> bool:
        """Return whether an argument is given, and a tensor."""
        return self._labels.is_tensor(self[argument])

    def is_fixed(self, argument: Argument) -> bool:
        """Return whether a tensor does not depend on the network's input: a parameter, or computed from parameters."""
        return self._labels.is_fixed(self[argument])

    def tensors(self) -> list[Argument]:
        """Return all arguments that are tensors, items of lists too."""
        found: list[Argument] = []
        for name, value in self.arguments.items():
            if self._labels.is_tensor(value):
                found.append(name)
            elif isinstance(value, list | tuple):
                found += [(name, i) for i, item in enumerate(value) if self._labels.is_tensor(item)]
        return found

    def number(self, argument: Argument) -> int | None:
        """Return an integer argument, None if it is not known before the network runs."""
        value = self[argument]
        return value if isinstance(value, int) else None

    def constant(self, argument: Argument) -> Tensor | None:
        """Return a constant tensor of the network's code, such as a list of indices; None for any other."""
        node = self[argument]
        while node.op == "call_function" and str(node.target).split(".")[1].rstrip("_") in (
            "lift_fresh_copy",
            "detach",
        ):
            node = node.all_input_nodes[0]
        is_constant = node.op == "get_attr" and str(node.target).startswith(CONSTANT)
        return self._labels.graph.tensors[str(node.target)] if is_constant else None

    def dims(self, argument: Argument, rank: int) -> list[int]:
        """Return the dimensions that an argument names, counted from 0; all of them if it is None or empty."""
        value = self[argument]
        if value is None or (isinstance(value, list | tuple) and not value):
            return list(range(rank))
        return [d % max(rank, 1) for d in (value if isinstance(value, list | tuple) else [value])]

    @property
    def sizes(self) -> list[tuple[int, ...]]:
        """The shapes of the results."""
        return self._labels.sizes_of(self.node)

    @property
    def where(self) -> str:
        """The operation and the module whose forward calls it, for reasons."""
        target = self.node.target
        name = self.name.split(".")[1].rstrip("_") if isinstance(target, torch._ops.OpOverload) else _plain_name(target)
        return f"{name} ({module_of(self.node) or 'the network'})"

    def fresh(self, size: int, reason: str | None = None) -> Axis:
        """Return a new axis."""
        return axis_of(size, reason)

    def agree(self, a: Axis, b: Axis) -> None:
        """Make two axes the same; axes of different sizes are broadcast, and say nothing about each other."""
        if axis_size(a) == axis_size(b):
            agree(a, b)

    def freeze(self, axes: Iterable[Axis], reason: str) -> None:
        """Never cut the axes, for a reason that reads well after the operation's name."""
        freeze(axes, f"{self.where} {reason}")

    def freeze_all(self, reason: str) -> Labelled:
        """Freeze every axis of every tensor, and return new frozen labels for the results."""
        for argument in self.tensors():
            self.freeze(self.axes(argument), reason)
        axes = [tuple(axis_of(size, f"{self.where} {reason}") for size in sizes) for sizes in self.sizes]
        return axes if isinstance(self.node.meta.get("val"), list | tuple) else axes[0]

    def consume(
        self, argument: Argument, dimension: int, axis: Axis, weight: Argument, weight_dimension: int, weight_axis: Axis
    ) -> None:
        """Say that units on an axis are summed over here, with weights."""
        self._labels.consumptions.append(
            Consumption(self.node, argument, dimension, axis, weight, weight_dimension, weight_axis)
        )

    def produce(self, axis: Axis, weight: Argument, *, embedding: bool = False) -> None:
        """Say that units on an axis are computed here, each from weights of its own."""
        self._labels.productions.append(Production(self.node, axis, self[weight], embedding))

    def add(self, first: Argument, second: Argument) -> None:
        """Say that two activations are added: if weights of their own produce both, they are a residual stream."""
        a, b = (self._labels.origins(self[argument]) for argument in (first, second))
        if not (a <= b or b <= a):
            short = min(len(self.axes(first)), len(self.axes(second)))
            aligned = zip(self.axes(first)[-short:], self.axes(second)[-short:], strict=True) if short else ()
            self._labels.additions.append(tuple(x for x, y in aligned if axis_size(x) == axis_size(y)))

    def add_product(self, argument: Argument, axes: Iterable[Axis]) -> None:
        """Say that this operation adds to an activation what its own weights produce."""
        if self._labels.origins(self[argument]):
            self._labels.additions.append(tuple(axes))

    def resize(self, argument: str, axes: Sequence[Axis | None]) -> None:
        """Say that an argument holds the lengths of these axes; None for a number that stays."""
        self._labels.resizes.setdefault(self.node, {})[argument] = tuple(axes)

    def replace(
        self,
        target: Callable[..., Any],
        axes: Sequence[Axis],
        arguments: Callable[[Callable[[Axis], int]], tuple[Any, ...]],
    ) -> None:
        """Say which operation to call instead where one of ``axes`` is cut.

        ``arguments(length)`` gives its arguments for the lengths that are left of axes.
        """
        self._labels.replacements[self.node] = (target, tuple(axes), arguments)


def _plain_name(target: Any) -> str:
    return getattr(target, "__name__", str(target))


def named_arguments(node: fx.Node) -> dict[str, Any]:
    """Return the arguments of a call by their names in the schema, with defaults."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return {str(i): value for i, value in enumerate(node.args)} | dict(node.kwargs)
    schema = target._schema.arguments
    given = {a.name: value for a, value in zip(schema, node.args, strict=False)} | dict(node.kwargs)
    return {a.name: given.get(a.name, a.default_value) for a in schema}


def argument_of(node: fx.Node, argument: Argument) -> Any:
    """Return one argument of a call."""
    name, place = argument if isinstance(argument, tuple) else (argument, None)
    value = named_arguments(node)[name]
    return value if place is None else value[place]


def with_argument(node: fx.Node, argument: Argument, value: Any) -> None:
    """Put a value in the place of one argument of a call."""
    name, place = argument if isinstance(argument, tuple) else (argument, None)
    target = node.target
    assert isinstance(target, torch._ops.OpOverload)
    position = [a.name for a in target._schema.arguments].index(name)
    if place is not None:
        items = list(named_arguments(node)[name])
        items[place] = value
        value = items
    if position < len(node.args):
        node.update_arg(position, value)
    else:
        node.update_kwarg(name, value)


def module_of(node: fx.Node) -> str:
    """Return the name of the module whose forward makes the call, as in `named_modules`."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [path for path, _ in stack.values()]
    return names[-1].removeprefix("model").removeprefix(".") if names else ""  # "model": of the wrapper in `graph`
