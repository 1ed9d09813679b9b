"""Factors of units where weights consume them: masks in the masked engine, the scale in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .groups import units_axis
from .operation import argument_of, with_argument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, fx

    from ..core.units import Axis as UnitsAxis
    from .cutting import Cut


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
