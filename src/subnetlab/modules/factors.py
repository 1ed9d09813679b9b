"""Factors of units where weights consume them: masks in the masked engine, the scale in both, and folded on export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core import checks
from .blocks import BLOCKS
from .errors import CutError
from .groups import units_axis
from .operation import argument_of, with_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor, fx

    from ..core.units import Axis as UnitsAxis
    from .cutting import Cut
    from .operation import Consumption


def checked_factors(factors: Mapping[str, float] | None, groups: Iterable[str], *, owner: str) -> dict[str, float]:
    """Return a factor for every group, 1 where none is given.

    Raises
    ------
    CutError, TypeError, ValueError
        If they are for other groups, or no numbers.
    """
    given = {} if factors is None else factors
    if not isinstance(given, Mapping):
        raise CutError(f"{owner}: factors must map groups to numbers, got {type(given).__name__}")
    if unknown := [name for name in given if name not in groups]:
        raise CutError(f"{owner}: factors must be of groups {list(groups)}, got {unknown}")
    return {name: checks.finite_number(owner, f"factors[{name!r}]", given.get(name, 1.0)) for name in groups}


def multiply_consumed(
    cut: Cut, graph: fx.Graph, copies: Mapping[fx.Node, Any], values: Mapping[str, np.ndarray], *, weights: bool
) -> dict[str, Tensor]:
    """Multiply units by numbers before every operation that sums over them.

    Parameters
    ----------
    cut : Cut
    graph : fx.Graph
        Changed.
    copies : mapping from fx.Node to fx.Node
        The nodes of ``graph`` for those of the cut's graph.
    values : mapping from group to ndarray, shape (units,)
        A number for each unit that is there.
    weights : bool
        Whether weights may be multiplied instead, where all units have one number and that costs less.

    Returns
    -------
    dict from name to Tensor
        Constants that the graph now reads.
    """
    constants: dict[str, Tensor] = {}
    for consumption in cut.labels.consumptions:
        if (node := copies.get(consumption.node)) is None:
            continue  # of a residual block that is left out
        numbers = along(units_axis(consumption.axis, cut.names), values)
        if np.all(numbers == 1):
            continue
        argument = consumption.argument
        if weights and np.all(numbers == numbers[0]) and _weights_are_fewer(consumption.node):
            argument = consumption.weight
        source = argument_of(node, argument)
        with graph.inserting_before(node):
            factor: Any = float(numbers[0])
            if not np.all(numbers == numbers[0]):
                value = consumption.node.meta["val"]
                name = f"_numbers_{len(constants)}"
                behind = len(cut.labels.of(argument_of(consumption.node, argument))) - consumption.dimension - 1
                constants[name] = torch.from_numpy(numbers).to(value.dtype).reshape(-1, *[1] * behind).to(value.device)
                factor = graph.get_attr(name)
            product = graph.call_function(torch.ops.aten.mul.Tensor, (source, factor))
        with_argument(node, argument, product)
    return constants


def multiply_branches(
    cut: Cut, graph: fx.Graph, copies: Mapping[fx.Node, Any], numbers: Sequence[float] | np.ndarray
) -> None:
    """Multiply the residual branches of each block that is there by the block's number."""
    for unit, number in zip(cut.blocks, numbers, strict=True):
        for branch in unit:
            if number != 1 and branch.value in copies:
                add = copies[branch.add]
                with graph.inserting_before(add):
                    factors = (copies[branch.value], float(number))
                    product = graph.call_function(torch.ops.aten.mul.Tensor, factors)
                with_argument(add, branch.argument, product)


def along(axis: UnitsAxis, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the numbers of the units along an axis; 1 for what is no unit."""
    parts = []
    for part in axis:
        numbers = np.ones(1)
        for factor in part:
            of_factor = np.ones(factor.size) if factor.group is None else values[factor.group]
            numbers = np.multiply.outer(numbers, of_factor).reshape(-1)
        parts.append(numbers)
    return np.concatenate(parts)


def _weights_are_fewer(node: fx.Node) -> bool:
    """Return whether weights have fewer entries than activations: of convolutions and sequences, as a rule."""
    return len(node.meta["val"].shape) > 2


_SAME_ENTRIES = {
    "t",
    "transpose",
    "permute",
    "to",
    "_to_copy",
    "contiguous",
    "clone",
    "alias",
    "detach",
    "numpy_T",
    "mT",
}


def folded(
    cut: Cut,
    state: Mapping[str, Tensor],
    factors: Mapping[str, float],
    rows: Callable[[int], tuple[int, int]] = lambda length: (0, length),
) -> dict[str, Tensor]:
    """Return a state with which the user's module computes what the whole network computes with factors at its units.

    Parameters
    ----------
    cut : Cut
    state : mapping from name to Tensor
        Parameters and buffers of the whole network under first names.
    factors : mapping from group to float
    rows : callable, optional
        From the length of a tensor's first dimension to the first of its rows that are in ``state``, and the first that
        is not; all of them by default.

    Raises
    ------
    CutError
        If the weights that consume a group are computed from others, or are used for something else besides.
    """
    result = dict(state)
    for (name, dimension), of_axis in foldings(cut, factors).items():
        tensor = result[name]
        if dimension == 0:
            of_axis = of_axis[slice(*rows(len(of_axis)))]
        shape = [-1 if d == dimension else 1 for d in range(tensor.ndim)]
        result[name] = tensor * torch.from_numpy(of_axis).to(tensor.dtype).to(tensor.device).reshape(shape)
    return result


def foldings(cut: Cut, factors: Mapping[str, float]) -> dict[tuple[str, int], np.ndarray]:
    """Return the numbers that `folded` multiplies stored tensors by: along which dimension of which.

    Raises
    ------
    CutError
        As `folded`.
    """
    if factors.get(BLOCKS, 1.0) != 1 and cut.blocks:
        raise CutError("cut: a factor of residual blocks cannot be folded into weights: scale=1 needs none")
    values = {g: np.full(m, float(factors.get(g, 1.0))) for g, m in cut.units.groups.items()}
    numbers: dict[tuple[str, int], np.ndarray] = {}
    for consumption in cut.labels.consumptions:
        of_axis = along(units_axis(consumption.weight_axis, cut.names), values)
        if np.any(of_axis != 1):
            numbers[_weight_of(cut, consumption)] = of_axis
    for name, dimension in numbers:
        _check_uses(cut, name, dimension)
    return numbers


def _weight_of(cut: Cut, consumption: Consumption) -> tuple[str, int]:
    """Return the stored tensor and its dimension that a consumption sums over.

    Raises
    ------
    CutError
        If what it sums over is computed from stored tensors; it may carry a group or none.
    """
    node = consumption.weight_node
    while node.op == "call_function" and str(node.target).split(".")[1:2] and _keeps_entries(node):
        node = node.all_input_nodes[0]
    groups = [f.group for part in units_axis(consumption.weight_axis, cut.names) for f in part if f.group]
    name = str(node.target)
    if node.op == "get_attr" and name in cut.units.axes:
        wanted = units_axis(consumption.weight_axis, cut.names)
        found = [d for d, axis in enumerate(cut.units.axes[name]) if axis == wanted]
        if node is consumption.weight_node:
            found = [consumption.weight_dimension]
        if len(found) == 1:
            return name, found[0]
    stored = cut.labels.stored_name(node)
    of = f" of {groups[0]!r}" if groups else ""
    raise CutError(f"cut: a factor{of} cannot be folded: the weights that use it are computed from {stored}")


def _keeps_entries(node: fx.Node) -> bool:
    return str(node.target).split(".")[1].rstrip("_") in _SAME_ENTRIES


def _uses(node: fx.Node) -> Iterator[fx.Node]:
    for user in node.users:
        if user.op == "call_function" and _keeps_entries(user):
            yield from _uses(user)
        else:
            yield user


def _check_uses(cut: Cut, name: str, dimension: int) -> None:
    """Raise if a weight is used for anything but the sums that the factor belongs to."""
    consumers = {c.node for c in cut.labels.consumptions if _is_of(cut, c, name, dimension)}
    (stored,) = [n for n in cut.graph.graph.nodes if n.op == "get_attr" and n.target == name]
    if others := [user.name for user in _uses(stored) if user not in consumers]:
        raise CutError(f"cut: a factor cannot be folded into {name}, which {others[0]} uses, too")


def _is_of(cut: Cut, consumption: Consumption, name: str, dimension: int) -> bool:
    try:
        return _weight_of(cut, consumption) == (name, dimension)
    except CutError:
        return False
