"""Residual blocks as units: what a stream is added to, y = x + f(x), is whole without f.

A branch is found where one summand is computed from the other. What belongs to it alone (every path from it to an
output goes through this sum) leaves the network with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.units import Factor
from .errors import CutError
from .operation import named_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import fx

    from ..core.units import Axis
    from .labels import Labels

BLOCKS = "blocks"


@dataclass(frozen=True)
class Branch:
    """One residual branch.

    Parameters
    ----------
    add : fx.Node
        carry + value.
    carry, value : fx.Node
    own : frozenset of fx.Node
        What goes with the branch.
    parameters : tuple of str
        What is stored for it alone.
    """

    add: fx.Node
    carry: fx.Node
    value: fx.Node
    own: frozenset[fx.Node]
    parameters: tuple[str, ...]

    @property
    def argument(self) -> str:
        """Which summand the branch is."""
        return "other" if named_arguments(self.add)["other"] is self.value else "self"


def branches_of(labels: Labels) -> list[Branch]:
    """Return the residual branches with weights of their own, in the graph's order; of nested ones the outer."""
    nodes = list(labels.graph.graph.nodes)
    place = {node: i for i, node in enumerate(nodes)}
    ancestors: dict[fx.Node, int] = {}
    for node in nodes:
        ancestors[node] = 0
        for source in node.all_input_nodes:
            ancestors[node] |= ancestors[source] | 1 << place[source]
    found: list[Branch] = []
    for node in nodes:
        if not str(node.target).startswith(("aten.add.Tensor", "aten.add_.Tensor")):
            continue
        summands = named_arguments(node)
        pair = [summands["self"], summands["other"]]
        if summands["alpha"] != 1 or not all(map(labels.is_tensor, pair)):
            continue
        for carry, value in (pair, pair[::-1]):
            if ancestors[value] >> place[carry] & 1 and list(value.users) == [node] and _same_shape(carry, node):
                own = _own(value, nodes[: place[value] + 1])
                stored = tuple(str(n.target) for n in nodes if n in own and n.op == "get_attr")
                if any(p.node in own for p in labels.productions) and all(len(labels.tensors[n]) for n in stored):
                    found.append(Branch(node, carry, value, own, stored))
    return [b for b in found if not any(b.add in outer.own for outer in found)]


def _same_shape(a: fx.Node, b: fx.Node) -> bool:
    return tuple(map(str, a.meta["val"].shape)) == tuple(map(str, b.meta["val"].shape))


def _own(value: fx.Node, before: Sequence[fx.Node]) -> frozenset[fx.Node]:
    """Return the nodes that nothing but a value needs."""
    own = {value}
    for node in reversed(before):
        if node.op in ("call_function", "get_attr") and node.users and all(user in own for user in node.users):
            own.add(node)
    return frozenset(own)


def declared_blocks(labels: Labels, units: object, names: set[str]) -> tuple[object, list[list[Branch]]]:
    """Return a declaration without "blocks", and the residual blocks that it asks for.

    Parameters
    ----------
    labels : Labels
    units : object
        As `cut` takes it.
    names : set of str
        Of the network's own groups: one that is called "blocks" goes before.
    """
    if isinstance(units, str):
        units = [units]
    if not isinstance(units, dict | list | tuple | set) or BLOCKS not in units or BLOCKS in names:
        return units, []
    modules = units[BLOCKS] if isinstance(units, dict) else None
    if modules is not None and not (isinstance(modules, list | tuple) and all(isinstance(m, str) for m in modules)):
        raise CutError(f"cut: units must give residual blocks as a list of module names, got {modules!r}")
    rest = (
        {n: s for n, s in units.items() if n != BLOCKS}
        if isinstance(units, dict)
        else [n for n in units if n != BLOCKS]
    )
    return rest, block_units(labels, modules)


def block_units(labels: Labels, modules: Sequence[str] | None) -> list[list[Branch]]:
    """Return the branches of each unit: every branch is one, or all of a module's are.

    Raises
    ------
    CutError
        If there are fewer than two, a module has none, or two of them have the same one.
    """
    branches = branches_of(labels)
    if modules is None:
        units = [[branch] for branch in branches]
    else:
        units = [[b for b in branches if all(n.startswith(f"{m}.") for n in b.parameters)] for m in modules]
        for module, unit in zip(modules, units, strict=True):
            if not unit:
                raise CutError(f"cut: units must name residual blocks, got {module!r}: nothing is added to its input")
        for i, (module, unit) in enumerate(zip(modules, units, strict=True)):
            if again := [m for m, other in zip(modules[:i], units, strict=False) if any(b in other for b in unit)]:
                raise CutError(f"cut: units must give each residual block once, got it in {again[0]!r} and {module!r}")
    if len(units) < 2:
        raise CutError(f"cut: units='blocks' needs at least two residual blocks with weights, found {len(units)}")
    return units


def in_block(axes: tuple[Axis, ...], unit: int) -> tuple[Axis, ...]:
    """Return the axes of a tensor that is stored for one block: its first dimension carries the block."""
    first, *others = axes
    return (tuple((Factor(1, BLOCKS, unit), *part) for part in first), *others)


def unit_of_parameters(units: Sequence[Sequence[Branch]]) -> Mapping[str, int]:
    """Return the block of everything that is stored for one."""
    return {name: i for i, unit in enumerate(units) for branch in unit for name in branch.parameters}
