"""Cut any network: find the units of its groups, and compute its subnetworks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.units import Units, axis_groups, axis_length, held_on_axis
from ..plotting import plot
from .atoms import axis_of, expand
from .blocks import BLOCKS, declared_blocks, in_block, unit_of_parameters
from .coverage import coverage
from .engines import MaskedNetwork, Subnetwork, Template
from .entries import take
from .errors import CutError
from .factors import checked_factors, folded
from .graph import CONSTANT, export, stored
from .groups import Group, chosen_by, classes_of, described, units_axis
from .labels import Labels
from .overview import table
from .reasons import Reasons

if TYPE_CHECKING:
    from torch import Tensor, fx, nn

    from ..core.arrays import BoolArray, IntArray
    from ..core.masks.groups import CutGroups
    from ..core.masks.law import MaskLaw
    from ..core.units import Axis as UnitsAxis
    from .atoms import Atom, Axis

_TEMPLATES = 64  # graphs of subnetworks that are kept for further ones


class Cut:
    """A network, its groups of units, and the axes of everything that it stores. Made by `cut`.

    Attributes
    ----------
    model : nn.Module
        The user's own module.
    groups : dict from name to Group
    streams : dict from name to Group
        Residual streams and embeddings: left whole, cut if ``units`` names them.
    frozen : dict from name to str
        What is left whole, and why.
    units : Units
        The axes of every parameter and buffer, under all of their names.
    """

    def __init__(self, model: nn.Module, labels: Labels, units: object, declared: object = None) -> None:
        self.model = model
        self.declared = declared  # what `cut` was given besides the module, for files
        self.labels = labels
        self.graph = labels.graph
        classes = classes_of(labels)
        units, self.blocks = declared_blocks(labels, units, {c.name for c in classes.values()})
        chosen = chosen_by(units, classes)
        self.names: dict[Atom, str] = {c.atom: c.name for c in chosen}
        sizes = {c.name: c.atom.size for c in chosen} | ({BLOCKS: len(self.blocks)} if self.blocks else {})
        self.stored = Units(sizes, self._axes(self.names))
        self.units = Units(sizes, {n: a for n, a in self.stored.axes.items() if not n.startswith(CONSTANT)})
        self.groups: dict[str, Group] = {c.name: described(c, self.units.axes, labels) for c in chosen}
        if self.blocks:
            own = tuple(unit_of_parameters(self.blocks))
            self.groups[BLOCKS] = Group(BLOCKS, len(self.blocks), 1, 1, own, "blocks", "blocks")
        whole = [c for c in classes.values() if c.producers and self.names.keys().isdisjoint(c.atom.leaves())]
        joined = [c for c in whole if c.can_be_cut and c.kind != "units"]
        axes = self._axes({c.atom: c.name for c in joined})
        self.streams: dict[str, Group] = {c.name: described(c, axes, labels) for c in joined}
        reasons = Reasons(labels, whole, self.names, unit_of_parameters(self.blocks))
        self.whole: dict[Atom, str] = reasons.of_atoms
        self.frozen: dict[str, str] = reasons.by_module(model)
        self._templates: deque[Template] = deque(maxlen=_TEMPLATES)  # laws of random sizes repeat few

    def length(self, axis: Axis, masks: Mapping[str, BoolArray]) -> int:
        """Return the number of entries along an axis of the graph that masks leave."""
        left = {atom: int(np.count_nonzero(masks[name])) for atom, name in self.names.items()}
        return sum(prod(left.get(atom, atom.size) for atom in part) for part in expand(axis))

    def kept(self, value: Tensor, node: fx.Node, masks: Mapping[str, BoolArray]) -> Tensor:
        """Return the entries of a tensor of the whole network's graph that masks leave."""
        for dimension, axis in enumerate(self.labels.of(node)):
            held = _held_entries(units_axis(axis, self.names), masks, value.shape[dimension])
            value = take(value, (*[None] * dimension, held))
        return value

    def subnetwork(self, masks: Mapping[str, BoolArray], factors: Mapping[str, float] | None = None) -> Subnetwork:
        """Return an ordinary, smaller module with the entries that the masks select.

        Parameters
        ----------
        masks : mapping from group to array of bool, shape (m_g,)
        factors : mapping from group to float, optional
            What the units of a group are multiplied by where weights consume them (xi^-a); default 1.

        Returns
        -------
        Subnetwork
            In training mode, with copies of the user's parameters.

        Raises
        ------
        CutError
            If a group has no mask, or one of another length.
        """
        held, numbers = self.held(masks, factors)
        places = self.stored.held(held)
        whole = {**self.graph.tensors, **self.state()}
        return self.made_of(
            held, numbers, {name: take(tensor.detach(), places[name]) for name, tensor in whole.items()}
        )

    def made_of(
        self, held: Mapping[str, BoolArray], numbers: Mapping[str, float], tensors: Mapping[str, Tensor]
    ) -> Subnetwork:
        """Return a subnetwork with copies of these tensors, which were taken for what `held` returned."""
        template = next((t for t in self._templates if t.serves(self, held, numbers)), None)
        if template is None:
            template = Template(self, held, numbers)
            self._templates.append(template)
        return Subnetwork(self, template, held, tensors)

    def key(self, masks: Mapping[str, BoolArray], factors: Mapping[str, float] | None = None) -> tuple[Any, ...]:
        """Return what is equal for subnetworks of one shape, so that `Subnetwork.fill` makes one of another.

        Numbers of units and factors; of residual blocks, which ones there are.
        """
        held, numbers = self.held(masks, factors)
        return tuple((held[g].tobytes() if g == BLOCKS else int(held[g].sum()), numbers[g]) for g in self.units.groups)

    def masked(self, masks: Mapping[str, BoolArray], factors: Mapping[str, float] | None = None) -> MaskedNetwork:
        """Return the whole network with the units that the masks leave out times 0: the answer, slowly.

        Parameters
        ----------
        masks, factors
            As for `subnetwork`.
        """
        masks = self._checked(masks)
        numbers = checked_factors(factors, masks, owner="subnetwork")
        of_units = {g: np.where(mask, numbers[g], 0.0) for g, mask in masks.items()}
        return MaskedNetwork(self, of_units)

    def state(self) -> dict[str, Tensor]:
        """Return the parameters and buffers of the user's module, each under its first name."""
        return {name: tensor for name, tensor in stored(self.model) if name not in self.graph.aliases}

    def verify(self, *, seed: int = 0, repeats: int = 2) -> dict[str, float]:
        """Compare the sliced engine with the masked one in float64: outputs and gradients, for random masks.

        Returns
        -------
        dict from str to float
            The largest relative differences of the outputs, and of the gradients.

        Raises
        ------
        VerificationError
            If they differ, with the group and the operation.
        """
        from .verification import verify

        return verify(self, seed=seed, repeats=repeats)

    def folded(self, factors: Mapping[str, float], state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Return a state with factors of groups folded into the weights that consume them (xi^(1-a) on export).

        Parameters
        ----------
        factors : mapping from group to float
        state : mapping from name to Tensor, optional
            Of the whole network, under first names; the user's module's own by default.

        Raises
        ------
        CutError
            If weights that consume a group are computed from others, or used for something else besides; or the state
            is not that of the whole network.
        """
        if factors is None:
            raise CutError("folded: factors must map groups to numbers, got NoneType")
        numbers = checked_factors(factors, self.units.groups, owner="folded")
        whole = self.state()
        if not isinstance(given := whole if state is None else state, Mapping):
            raise CutError(f"folded: state must map names to tensors, got {type(given).__name__}")
        if missing := [name for name in whole if name not in given]:
            raise CutError(f"folded: state must have every parameter and buffer, got none for {missing[0]!r}")
        return folded(self, given, numbers)

    def coverage(self, law: MaskLaw | float, *, cut_groups: CutGroups = "all", rounds: int = 16) -> dict[str, float]:
        """Return the share of each parameter's entries that a round trains: that some subnetwork holds.

        Parameters
        ----------
        law : MaskLaw or float
            A law draws ``rounds`` rounds, seed 0, whose mean is returned; a number is the selection probability xi of
            one subnetwork, for which the share is exact.
        cut_groups : {"all", "alternate"} or tuple of str, default "all"
            As in `TrainingScheme`.
        rounds : int, default 16
        """
        return coverage(self.units, [name for name, _ in self.model.named_parameters()], law, cut_groups, rounds)

    def plot(self, ax: Any = None, *, style: Any = "publication") -> Any:
        """Draw the layers in order, groups in colour, what is left whole in grey; see `subnetlab.plotting.plot`."""
        return plot("cut", self, ax=ax, style=style)

    def __repr__(self) -> str:
        return f"Cut({type(self.model).__name__}: {len(self.groups)} groups, {sum(self.units.groups.values())} units)"

    def __str__(self) -> str:
        return table(self)

    def _checked(self, masks: Mapping[str, BoolArray]) -> dict[str, BoolArray]:
        if not isinstance(masks, Mapping):
            raise CutError(f"subnetwork: masks must map groups to arrays of bool, got {type(masks).__name__}")
        result = {}
        for name, size in self.units.groups.items():
            if name not in masks:
                raise CutError(f"subnetwork: masks must have one for every group, got none for {name!r}")
            mask = np.asarray(masks[name])
            if mask.shape != (size,) or mask.dtype != bool:
                raise CutError(
                    f"subnetwork: the mask of {name!r} must be {size} booleans, got {mask.dtype} of shape {mask.shape}"
                )
            result[name] = mask
        if unknown := [name for name in masks if name not in result]:
            raise CutError(f"subnetwork: masks must be of groups {list(result)}, got {unknown}")
        return result

    def held(
        self, masks: Mapping[str, BoolArray], factors: Mapping[str, float] | None = None
    ) -> tuple[dict[str, BoolArray], dict[str, float]]:
        """Return what a subnetwork stores: masks with a unit in every group, and factors: 0 where masks hold none."""
        held = self._checked(masks)
        numbers = checked_factors(factors, held, owner="subnetwork")
        for name, mask in held.items():
            if not mask.any():
                held[name] = np.arange(len(mask)) == 0
                numbers[name] = 0.0
        return held, numbers

    def same_sizes(self, before: Mapping[str, BoolArray], masks: Mapping[str, BoolArray]) -> dict[str, BoolArray]:
        """Return checked masks that select as many units of every group as others did."""
        held, _ = self.held(masks)
        for name, mask in held.items():
            same = np.array_equal(mask, before[name]) if name == BLOCKS else mask.sum() == before[name].sum()
            if not same or not np.asarray(masks[name]).any():
                raise CutError(
                    f"subnetwork: it holds {before[name].sum()} units of {name!r}, got a mask of {np.sum(masks[name])}"
                )
        return held

    def _axes(self, names: Mapping[Atom, str]) -> dict[str, Any]:
        """Return the axes of everything that is stored; what the graph does not read carries no group."""
        axes: dict[str, Any] = {}
        blocks = unit_of_parameters(self.blocks)
        for name, tensor in [*stored(self.model), *self.graph.tensors.items()]:
            first = self.graph.aliases.get(name, name)
            labels = self.labels.tensors.get(first) or [axis_of(size) for size in tensor.shape]
            axes[name] = tuple(units_axis(axis, names) for axis in labels)
            if first in blocks:
                axes[name] = in_block(axes[name], blocks[first])
        return axes


def _held_entries(axis: UnitsAxis, masks: Mapping[str, BoolArray], length: int) -> IntArray | None:
    """Return the indices that masks leave of an axis; outermost factors of a size that varies may have any."""
    if not axis_groups(axis):
        return None
    if len(axis) == 1 and axis_length(axis) != length:
        axis = (axis[0][1:],)
    held = held_on_axis(axis, masks)
    return np.flatnonzero(np.tile(held, length // len(held)))


def cut(model: nn.Module, example_input: Any, units: object = None, *, second_example: Any = None) -> Cut:
    """Find the units of a network, so that it can be trained as many smaller ones.

    Parameters
    ----------
    model : nn.Module
        Any module that torch.export can read; left as it was.
    example_input : Tensor, tuple or dict
        What forward takes: a tensor, positional arguments, or keyword arguments. The first dimension of every tensor
        is the batch, and may vary.
    units : list of str, or dict from str to int, optional
        Which groups to cut, by group, module or parameter name; residual streams, too. A number makes that many units
        of consecutive entries. "blocks" makes every residual branch f of x + f(x) a unit, and
        ``{"blocks": ["layers.0", "layers.1"]}`` all branches of a module. Default: all groups but residual streams and
        embeddings.
    second_example : optional
        Inputs in which whatever may vary besides the batch (a sequence's length) has another size.

    Returns
    -------
    Cut

    Raises
    ------
    CutError
        If the network cannot be exported, or ``units`` names what cannot be cut, with the reason.

    Examples
    --------
    >>> import torch, subnetlab as sl
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> cut = sl.cut(model, torch.zeros(3, 4))
    >>> cut.groups["0"].size, cut.frozen["2"]
    (8, 'output of the network (2)')
    """
    graph = export(model, example_input, second_example)
    try:
        return Cut(model, Labels(graph), units, (example_input, units, second_example))
    except CutError:
        raise
    except Exception as error:  # of ours: said in one sentence, with the cause
        raise CutError(f"cut: cannot label {type(model).__name__}: {type(error).__name__}: {error}") from error
