"""The two engines: masked, which defines the answer, and sliced, ordinary smaller modules.

Both are the graph of the whole network, copied: the masked one multiplies units by the mask wherever weights consume
them, the sliced one has its sizes rewritten.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx

from .atoms import axis_size
from .blocks import BLOCKS
from .entries import take
from .factors import multiply_branches, multiply_consumed
from .graph import CONSTANT
from .network import OUR_NAMES, USERS, Network, Parts, compiled
from .operation import named_arguments, with_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.arrays import BoolArray
    from .atoms import Axis
    from .blocks import Branch
    from .cutting import Cut
    from .labels import Labels


ORIGIN = "subnetlab_origin"  # in a node's meta: the node that it was copied from


def resized(
    labels: Labels, length: Callable[[Axis], int], absent: Sequence[Branch] = ()
) -> tuple[fx.Graph, dict[fx.Node, Any]]:
    """Return a copy of the graph for axes of other lengths, and the copy of every node.

    Parameters
    ----------
    labels : Labels
    length : callable
        The number of entries that are left of an axis.
    absent : sequence of Branch
        Residual branches that are left out.
    """
    graph = fx.Graph()
    copies: dict[fx.Node, Any] = {}
    left_out = {node for branch in absent for node in branch.own}
    carried = {branch.add: branch.carry for branch in absent}
    for node in labels.graph.graph.nodes:
        if node in left_out:
            continue
        if node in carried:
            carry = copies[carried[node]]
            copies[node] = graph.call_function(torch.ops.aten.clone.default, (carry,))  # what follows may change it
            copies[node].meta = node.meta | {ORIGIN: node}
            continue
        if node in labels.replacements:
            target, axes, arguments = labels.replacements[node]
            if any(length(axis) != axis_size(axis) for axis in axes):
                copies[node] = graph.call_function(target, fx.map_arg(arguments(length), copies.__getitem__))
                copies[node].meta = node.meta | {ORIGIN: node}
                continue
        copies[node] = new = graph.node_copy(node, copies.__getitem__)
        new.meta[ORIGIN] = node
        if node.op == "get_attr" and str(node.target).split(".")[0] in OUR_NAMES:
            new.target = f"{USERS}.{node.target}"
        for argument, axes in labels.resizes.get(node, {}).items():
            _resize(graph, new, argument, axes, length)
        if node.target is torch.ops.aten.sym_size.int:
            axis = labels.of(node.args[0])[node.args[1]]
            copies[node] = _times(graph, new, Fraction(axis_size(axis), length(axis)))
    return graph, copies


def _resize(
    graph: fx.Graph, node: fx.Node, argument: str, axes: tuple[Axis | None, ...], length: Callable[[Axis], int]
) -> None:
    value = named_arguments(node)[argument]
    several = isinstance(value, list | tuple)
    sizes = list(value) if several else [value]
    changed = False
    for i, axis in enumerate(axes):
        if axis is None or sizes[i] == -1 or length(axis) == axis_size(axis):
            continue
        changed = True
        if isinstance(sizes[i], fx.Node):
            with graph.inserting_before(node):
                sizes[i] = _times(graph, sizes[i], Fraction(length(axis), axis_size(axis)))
        else:
            sizes[i] = length(axis)
    if changed:
        with_argument(node, argument, sizes if several else sizes[0])


def _times(graph: fx.Graph, node: fx.Node, ratio: Fraction) -> fx.Node:
    """Return a node for a size times a ratio that leaves it whole."""
    if ratio == 1:
        return node
    node = graph.call_function(operator.mul, (node, ratio.numerator))
    return graph.call_function(operator.floordiv, (node, ratio.denominator))


class Template:
    """What all subnetworks share whose sizes appear alike in the graph: the code that computes them."""

    def __init__(self, cut: Cut, masks: Mapping[str, BoolArray], factors: Mapping[str, float]) -> None:
        self._fixed = _fixed(masks, factors)
        self._lengths: dict[Axis, int] = {}  # what else the code was made from

        def length(axis: Axis) -> int:
            if axis not in self._lengths:
                self._lengths[axis] = cut.length(axis, masks)
            return self._lengths[axis]

        values = {name: np.full(np.count_nonzero(mask), factors[name]) for name, mask in masks.items()}
        absent = [b for unit, held in zip(cut.blocks, masks.get(BLOCKS, ()), strict=True) if not held for b in unit]
        self.graph, copies = resized(cut.labels, length, absent)
        self.constants = multiply_consumed(cut, self.graph, copies, values, weights=True)
        multiply_branches(cut, self.graph, copies, np.where(masks[BLOCKS], factors[BLOCKS], 0.0) if cut.blocks else ())
        self.compute = compiled(self.graph)
        if self.constants:  # with a number for each unit
            for atom in cut.names:
                length(((atom,),))

    def serves(self, cut: Cut, masks: Mapping[str, BoolArray], factors: Mapping[str, float]) -> bool:
        """Return whether the code for these masks and factors is the same."""
        return self._fixed == _fixed(masks, factors) and all(
            cut.length(axis, masks) == length for axis, length in self._lengths.items()
        )


def _fixed(masks: Mapping[str, BoolArray], factors: Mapping[str, float]) -> tuple[dict[str, float], bytes]:
    """Return the factors of the groups, and which residual blocks there are."""
    return dict(factors), masks.get(BLOCKS, np.zeros(0)).tobytes()


class Subnetwork(Network):
    """An ordinary, smaller module: what one mask of every group leaves of a network. Made by `Cut.subnetwork`."""

    _SHARED = ("_subnetlab", "_subnetlab_cut")

    def __init__(
        self, cut: Cut, template: Template, masks: Mapping[str, BoolArray], tensors: Mapping[str, Tensor]
    ) -> None:
        own = {name: tensor.clone() for name, tensor in tensors.items()}
        constants = template.constants | {name: own.pop(name) for name in list(own) if name.startswith(CONSTANT)}
        parts = Parts("subnetwork", cut.graph, template.graph, template.compute, constants)
        super().__init__(parts, cut.model, own)
        self._subnetlab_cut = cut
        self._subnetlab_masks = dict(masks)

    @property
    def masks(self) -> dict[str, BoolArray]:
        """The units that it stores. Of a group of which none was selected, unit 0 is there, and counts for nothing."""
        return self._subnetlab_masks

    def _refill(self, tensors: Mapping[str, Tensor], masks: Mapping[str, BoolArray]) -> None:
        """Copy entries that were taken for these masks: as many units of every group as the module stores."""
        self._copy(tensors)
        self._subnetlab_masks = dict(masks)

    def fill(self, state: Mapping[str, Tensor], masks: Mapping[str, BoolArray] | None = None) -> None:
        """Copy what the subnetwork holds of a whole network's state into its parameters and buffers.

        Parameters
        ----------
        state : mapping from name to Tensor
            Parameters and buffers of the whole network; names that are missing stay as they are.
        masks : mapping from group to ndarray of bool, optional
            Other units, as many of every group as before.

        Raises
        ------
        CutError
            If the masks select another number of units.
        """
        cut = self._subnetlab_cut
        if masks is not None:
            self._subnetlab_masks = cut.same_sizes(self._subnetlab_masks, masks)
        held = cut.stored.held(self._subnetlab_masks)
        constants = {name: tensor for name, tensor in cut.graph.tensors.items() if name.startswith(CONSTANT)}
        self._copy({name: take(tensor.detach(), held[name]) for name, tensor in {**constants, **state}.items()})


class MaskedNetwork(Network):
    """The whole network with a number for every unit: 0 for those that a mask leaves out. Made by `Cut.masked`."""

    def __init__(self, cut: Cut, numbers: Mapping[str, np.ndarray]) -> None:
        graph, copies = resized(cut.labels, axis_size)
        constants = multiply_consumed(cut, graph, copies, numbers, weights=False)
        multiply_branches(cut, graph, copies, numbers.get(BLOCKS, ()))
        tensors = {name: tensor.detach().clone() for name, tensor in {**cut.graph.tensors, **cut.state()}.items()}
        constants |= {name: tensors.pop(name) for name in list(tensors) if name.startswith(CONSTANT)}
        super().__init__(Parts("masked network", cut.graph, graph, compiled(graph), constants), cut.model, tensors)

    def fill(self, state: Mapping[str, Tensor]) -> None:
        """Copy a whole network's state into the parameters and buffers."""
        self._copy(state)


class Refilled:
    """Modules of subnetworks, made once for each size: the last used, since laws of random sizes rarely repeat one.

    Parameters
    ----------
    cut : Cut
    engine : {"sliced", "masked"}
    device : torch.device
    most : int
        How many are kept.
    """

    def __init__(self, cut: Cut, engine: str, device: torch.device, most: int) -> None:
        self._cut, self._engine, self._device, self._most = cut, engine, device, most
        self._made: OrderedDict[Any, Subnetwork] = OrderedDict()

    def __call__(
        self, masks: Mapping[str, BoolArray], factors: Mapping[str, float], taken: Mapping[str, Tensor]
    ) -> Network:
        """Return a module for these masks that holds what was taken for the units that it stores."""
        if self._engine == "masked":
            whole = self._cut.masked(masks, factors).to(self._device)
            whole.fill(taken)
            return whole
        stored, numbers = self._cut.held(masks, factors)
        key = self._cut.key(stored, numbers)
        if key in self._made:
            self._made[key]._refill(taken, stored)
        else:
            self._made[key] = self._cut.made_of(stored, numbers, taken).to(self._device)
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    def stored(self, masks: Mapping[str, BoolArray]) -> dict[str, BoolArray]:
        """Return the units that such a module stores."""
        if self._engine == "sliced":
            return self._cut.held(masks)[0]
        return {group: np.ones_like(mask) for group, mask in masks.items()}
