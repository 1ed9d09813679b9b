"""What a cut leaves whole, by module, and why; what is cut is not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .atoms import leaves
from .groups import module_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import nn

    from .atoms import Atom
    from .groups import Class
    from .labels import Labels


class Reasons:
    """Why parts of a network are left whole.

    Parameters
    ----------
    labels : Labels
    whole : sequence of Class
        What weights produce and nothing cuts.
    names : mapping from Atom to str
        The groups that are cut.
    in_blocks : collection of str
        What is stored for residual blocks that are units.
    """

    def __init__(
        self, labels: Labels, whole: Sequence[Class], names: Mapping[Atom, str], in_blocks: Collection[str]
    ) -> None:
        self._labels, self._whole, self._names, self._in_blocks = labels, whole, names, in_blocks
        self.of_atoms = {c.atom: c.why_whole for c in whole}
        self._possible = {c.atom for c in whole if c.can_be_cut}
        cut = [p for p in labels.productions if not names.keys().isdisjoint(leaves([p.axis]))]
        self._cut_modules = {module_name(labels.stored_name(p.weight)) for p in cut}

    def by_module(self, model: nn.Module) -> dict[str, str]:
        """Return the reason for every module; for a weight alone where its module has others that are cut."""
        reasons: dict[str, str] = {}
        for c in self._whole:
            if c.can_be_cut and not (c.kind == "units" and c.weight in self._in_blocks):
                reasons[c.name] = c.why_whole
            elif not c.can_be_cut and not self._lies_in_units(c):
                name = c.weight if module_name(c.weight) in self._cut_modules else c.name
                reasons.setdefault(name, c.why_whole)
        for name, parameter in model.named_parameters():
            module = module_name(name)
            if module not in reasons and (why := self._of_parameter(name, module, parameter.ndim)):
                reasons[module] = why
        return reasons

    def _lies_in_units(self, c: Class) -> bool:
        """Return whether a class is part of units wherever weights produce it: a head's entries inside the head."""
        units = self._names.keys() | self._possible
        return c.weight in self._in_blocks or all(not units.isdisjoint(leaves([p.axis])) for p in c.producers)

    def _of_parameter(self, name: str, module: str, rank: int) -> str | None:
        first = self._labels.graph.aliases.get(name, name)
        axes = self._labels.tensors.get(first, ())
        if module in self._cut_modules or first in self._in_blocks or any(a in self._names for a in leaves(axes)):
            return None
        if not any(leaves(axes)) and rank:
            return "the network does not use it in training"
        for axis in axes:
            known = sorted(leaves([axis]), key=lambda atom: atom not in self._possible)  # the units, if it has any
            if why := next(filter(None, (self.of_atoms.get(atom) or atom.reason for atom in known)), None):
                return why
        return None
