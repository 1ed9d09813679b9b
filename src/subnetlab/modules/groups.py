"""Groups of units: the classes of atoms that weights produce and weights consume, and why all others are left whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from ..core.units import Factor
from .atoms import Atom, Axis, axis_size, expand, leaves
from .errors import CutError
from .unit_names import unit_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.units import Axis as UnitsAxis
    from .labels import Labels
    from .operation import Consumption, Production

STREAM = "residual stream: joined by additions"
EMBEDDING = "embedding: its columns are looked up by the input"


@dataclass(frozen=True)
class Group:
    """Units that a mask selects together or leaves out: neurons, channels, heads.

    Parameters
    ----------
    name : str
        The module whose weights produce the units first.
    size : int
        m_g, the number of units.
    repeat : int
        Consecutive entries of each unit, where it is produced first (a head's entries).
    copies : int
        Places of each unit along that axis (fused queries, keys and values: 3).
    parameters : tuple of str
        Parameters and buffers with an axis of the group.
    kind : str
        "units"; "stream" or "embedding" for what is left whole unless it is declared.
    unit_name : str
        What the units are, in the plural: "neurons", "channels", "heads", "features", "blocks".
    """

    name: str
    size: int
    repeat: int
    copies: int
    parameters: tuple[str, ...]
    kind: str = "units"
    unit_name: str = "units"


@dataclass
class Class:
    """Atoms that are one, and all that was said about them."""

    atom: Atom
    name: str = ""
    weight: str = ""
    kind: str = "units"
    producers: list[Production] = field(default_factory=list)
    consumers: list[Consumption] = field(default_factory=list)

    @property
    def can_be_cut(self) -> bool:
        """Whether the units are made by weights, used by weights, and never told apart."""
        return bool(self.atom.reason is None and self.producers and self.consumers)

    @property
    def reason(self) -> str:
        """Why the class cannot be cut."""
        if self.atom.reason is not None:
            return self.atom.reason
        return "no weights sum over it" if self.producers else "no weights produce it"

    @property
    def why_whole(self) -> str:
        """Why the class is left whole, if it is: nothing asked for it, or it cannot be cut."""
        if not self.can_be_cut:
            return self.reason
        return {"stream": STREAM, "embedding": EMBEDDING}.get(self.kind, "units does not name it")


def classes_of(labels: Labels) -> dict[Atom, Class]:
    """Return the classes of all atoms that a weight produces or consumes, in the graph's order, with their names.

    Of classes that lie inside each other in some axis (a head's entries inside the head) only the outer one can be cut:
    the inner ones are frozen here.
    """
    classes: dict[Atom, Class] = {}

    def of(axis: Axis) -> Iterator[Class]:
        for leaf in leaves([axis]):
            if leaf.size > 1:
                yield classes.setdefault(leaf, Class(leaf))

    for production in labels.productions:
        for known in of(production.axis):
            known.producers.append(production)
            if production.embedding:
                known.kind = "embedding"
    for consumption in labels.consumptions:
        for known in of(consumption.axis):
            known.consumers.append(consumption)
    for axes in labels.additions:
        for leaf in leaves(axes):
            if leaf in classes:
                classes[leaf].kind = "stream"
    _freeze_inner(classes, labels)
    _name(classes, labels)
    return classes


def _freeze_inner(classes: Mapping[Atom, Class], labels: Labels) -> None:
    around: dict[Atom, set[Atom]] = {atom: set() for atom, c in classes.items() if c.can_be_cut}
    for part in {part for _, axes in labels.tensor_nodes() for axis in axes for part in expand(axis)}:
        units = [atom for atom in part if atom in around]
        for i, atom in enumerate(units):
            around[atom].update(outer for outer in units[:i] if outer is not atom)
    kept: list[Atom] = []
    for atom in sorted(around, key=lambda a: (len(around[a]), -a.size)):  # of two inside each other, the finer units
        outer = next((a for a in kept if a in around[atom] or atom in around[a]), None)
        if outer is None:
            kept.append(atom)
        else:
            name = module_name(labels.stored_name(classes[outer].producers[0].weight))
            atom.freeze(f"part of the units of {name}")


def _name(classes: Mapping[Atom, Class], labels: Labels) -> None:
    """Name every class by the module of its first producer, by its weight or with a number where that is ambiguous."""
    produced = [c for c in classes.values() if c.producers]
    for c in produced:
        c.weight = labels.stored_name(c.producers[0].weight)
        c.name = module_name(c.weight)
    by_module: dict[str, list[Class]] = {}
    for c in produced:
        if c.can_be_cut:
            by_module.setdefault(c.name, []).append(c)
    for module, members in by_module.items():
        weights = list(dict.fromkeys(c.weight for c in members))
        for weight in weights:
            same = [c for c in members if c.weight == weight]
            name = module if len(weights) == 1 else weight
            for i, c in enumerate(same):
                c.name = name if len(same) == 1 else f"{name}[{i}]"


def module_name(weight: str) -> str:
    """Return the module that owns a parameter, without what torch's parametrizations put between; or its own name."""
    owner = weight.split(".parametrizations.")[0] if ".parametrizations." in weight else weight.rpartition(".")[0]
    return owner or weight


def units_axis(axis: Axis, names: Mapping[Atom, str]) -> UnitsAxis:
    """Return an axis in terms of groups: neighbouring factors without a group are one; length 0 has no part."""
    if axis_size(axis) == 0:
        return ()
    return tuple(_factors(part, names) for part in expand(axis))


def _factors(part: tuple[Atom, ...], names: Mapping[Atom, str]) -> tuple[Factor, ...]:
    factors: list[Factor] = []
    for atom in part:
        group = names.get(atom)
        if group is None and factors and factors[-1].group is None:
            factors[-1] = Factor(factors[-1].size * atom.size)
        else:
            factors.append(Factor(atom.size, group))
    return tuple(factors) or (Factor(1),)


def described(c: Class, axes: Mapping[str, tuple[UnitsAxis, ...]], labels: Labels) -> Group:
    """Return a class as a group, with its extent where it is produced first."""
    carriers = [n for n, dims in axes.items() if any(f.group == c.name for a in dims for part in a for f in part)]
    first = labels.stored_name(c.producers[0].weight)
    parts = [part for axis in axes.get(first, ()) for part in axis if any(factor.group == c.name for factor in part)]
    repeat = copies = 1
    if parts:
        place = next(i for i, f in enumerate(parts[0]) if f.group == c.name)
        repeat = prod(f.size for f in parts[0][place + 1 :])
        copies = sum(
            prod(f.size for f in part[: next(i for i, f in enumerate(part) if f.group == c.name)]) for part in parts
        )
    return Group(c.name, c.atom.size, repeat, copies, tuple(carriers), c.kind, unit_name(c, repeat, labels))


def chosen_by(units: object, classes: Mapping[Atom, Class]) -> list[Class]:
    """Return the classes that a declaration names; without one, all that are no residual stream and no embedding.

    Raises
    ------
    CutError
        If a name fits nothing, or what it names cannot be cut, with the reason.
    """
    possible = [c for c in classes.values() if c.can_be_cut]
    if units is None:
        return [c for c in possible if c.kind == "units"]
    names: Mapping[str, int | None] = _declared(units)
    chosen: list[Class] = []
    for name, size in names.items():
        found = [c for c in possible if c.name == name] or [
            c for c in possible if c.kind == "units" and c.name.startswith(f"{name}.")
        ]
        found = found or [c for c in possible if any(name in _names_of(p, c) for p in c.producers)]
        if not found:
            frozen = next((c.reason for c in classes.values() if name in (c.name, c.weight)), None)
            why = f"{frozen}" if frozen else f"there is no such group; there are {[c.name for c in possible]}"
            raise CutError(f"cut: units must name groups that can be cut, got {name!r}: {why}")
        if size is not None:
            found = [_blocks(c, size) for c in found]
        chosen += [c for c in found if c not in chosen]
    return chosen


def _names_of(production: Production, c: Class) -> set[str]:
    return {str(production.weight.target), module_name(str(production.weight.target)), c.name}


def _declared(units: object) -> Mapping[str, int | None]:
    if isinstance(units, str):
        return {units: None}
    if isinstance(units, dict):
        wrong = {n: s for n, s in units.items() if not isinstance(n, str) or not (s is None or isinstance(s, int))}
        if wrong:
            raise CutError(f"cut: units must map names to a number of units or None, got {wrong}")
        return units
    if isinstance(units, list | tuple | set) and all(isinstance(name, str) for name in units):
        return dict.fromkeys(units)
    raise CutError(f"cut: units must be names, or a dict of names and numbers of units, got {units!r}")


def _blocks(c: Class, size: int) -> Class:
    """Make units of several consecutive entries each."""
    if size == c.atom.size:
        return c
    if size < 2 or c.atom.size % size:
        raise CutError(f"cut: the number of units of {c.name} must divide {c.atom.size} and be at least 2, got {size}")
    outer, inner = c.atom.split_product(size)
    inner.freeze(f"part of the units of {c.name}")
    return Class(outer, c.name, c.weight, c.kind, c.producers, c.consumers)
