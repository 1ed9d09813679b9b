"""The entries of the whole network: what a subnetwork is given of them, and how they become one network again.

Lines 4, 5 and 9 to 13 of Algorithm 1 for any network. A subnetwork holds, of every parameter and buffer, some indices
along each dimension (`subnetlab.core.units`); what it returns is added up over the holders of each entry, in the order
l = 0, ..., p - 1, and divided by their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import torch

from ..core.units import axis_groups, axis_length, held_on_axis
from .tensor_file import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from ..core.arrays import BoolArray, IntArray
    from ..core.units import Units

_AT_ONCE = 1 << 20  # entries of an update that are added to a sum at once
Place: TypeAlias = "tuple[torch.Tensor | None, ...]"  # indices along each dimension; None for all of them


class Kept:
    """Where the entries of one subnetwork are: in the whole network, and in its module's own tensors.

    The module stores what the subnetwork holds, with two exceptions: where masks select no unit of a group, it keeps
    one unit that counts for nothing; and the masked engine's module stores the whole network.

    Parameters
    ----------
    units : Units
    masks : mapping from group to ndarray of bool, shape (m_g,)
        The units that the subnetwork holds.
    stored : mapping from group to ndarray of bool, shape (m_g,)
        The units that its module stores.
    device : torch.device, optional
    """

    def __init__(
        self,
        units: Units,
        masks: Mapping[str, BoolArray],
        stored: Mapping[str, BoolArray],
        device: torch.device | None = None,
    ) -> None:
        def places(held: Mapping[str, tuple[IntArray | None, ...]]) -> dict[str, Place]:
            return {
                name: tuple(None if i is None else torch.from_numpy(i).to(device) for i in dimensions)
                for name, dimensions in held.items()
            }

        self._units = units
        self._some = {group: mask if mask.any() else np.arange(len(mask)) == 0 for group, mask in masks.items()}
        self._held = self._stored = places(units.held(masks))
        self._own: dict[str, Place] | None = None
        if any(not np.array_equal(masks[group], stored[group]) for group in masks):
            self._stored = places(units.held(stored))
            self._own = places(units.held(masks, among=stored))

    def held(self, name: str) -> Place:
        """Return the place in a whole tensor of what the subnetwork holds; state is where its parameter is."""
        return self._held[entry_of(name, self._held)]

    def stored(self, name: str) -> Place:
        """Return the place in a whole tensor of what the subnetwork's module stores."""
        return self._stored[entry_of(name, self._stored)]

    def own(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Return the part of a module's tensor that the subnetwork holds."""
        return tensor if self._own is None else take(tensor, self._own[entry_of(name, self._own)])

    def leaves_out(self, name: str) -> bool:
        """Return whether a smaller module stores nothing of an entry: it belongs to a residual block that is not there.

        A smaller module's optimiser takes no step for it, so the masked engine must not count one either.
        """
        units = (f for axis in self._units.axes[name] for part in axis for f in part if f.group is not None)
        return any(not self._some[f.group or ""][f.first : f.first + f.size].any() for f in units)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a whole tensor."""
        return self._units.shape(entry_of(name, self._held))


def state_name(parameter: str, key: str) -> str:
    """Return the name of what an optimiser keeps of a parameter under a key, among the tensors at home."""
    return f"{parameter}/{key}"


def entry_of(name: str, entries: Container[str]) -> str:
    """Return the parameter that optimiser state belongs to; the name of an entry itself is its own."""
    return name if name in entries else name.rsplit("/", 1)[0]


def tensors_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers of a module by name; one that is tied has its first name alone."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        tensors[name] = tensor.detach()
    return tensors


def take(whole: torch.Tensor, place: Place | tuple[IntArray | None, ...]) -> torch.Tensor:
    """Return the entries with these indices along every dimension: a copy, or the tensor itself if that is all."""
    for dimension, indices in enumerate(place):
        if indices is not None:
            whole = whole.index_select(dimension, torch.as_tensor(indices, device=whole.device))
    return whole


def add_to(total: torch.Tensor, place: Place, update: torch.Tensor) -> None:
    """Add a subnetwork's update to the sum, at the entries that it holds."""
    if all(indices is None for indices in place):
        total += update
        return
    cut = [dimension for dimension, indices in enumerate(place) if indices is not None]
    if len(cut) == 1:
        (dimension,) = cut
        total.index_add_(dimension, cast("torch.Tensor", place[dimension]), update)
        return
    along = [
        torch.arange(length, device=total.device) if indices is None else indices
        for length, indices in zip(total.shape, place, strict=True)
    ]
    rows = max(1, _AT_ONCE * len(update) // max(1, update.numel()))  # all at once takes twice the update
    for these, part in zip(along[0].split(rows), update.split(rows), strict=True):
        flat = these
        for length, indices in zip(total.shape[1:], along[1:], strict=True):
            flat = flat[..., None] * length + indices
        total.view(-1).index_add_(0, flat.reshape(-1), part.reshape(-1))


def changes(given: Mapping[str, torch.Tensor], returned: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return Delta^l: what a subnetwork returns minus what it was given (line 9), of counters what it returns.

    What comes back as it was is left out: a buffer may hold infinite numbers, as masks of attention do.
    """
    return {
        name: value - given[name] if value.is_floating_point() else value
        for name, value in returned.items()
        if not torch.equal(value, given[name])
    }


class RoundSum:
    """The sum of the updates of one round, and the number of holders of each entry.

    Where no entry of a tensor has two holders, updates are kept as they come, which takes less than a sum of the size
    of the tensor, and less time.

    Parameters
    ----------
    units : Units
    whole : mapping from name to tensor
        theta_k and the travelling state of optimisers, at home; `apply` changes them.
    masks : mapping from group to ndarray of bool, shape (p, m_g)
    rows : callable, optional
        From the length of a tensor's first dimension to the first of its rows that are in ``whole``, and the first that
        is not; all of them by default.
    """

    def __init__(
        self,
        units: Units,
        whole: Mapping[str, torch.Tensor],
        masks: Mapping[str, BoolArray],
        rows: Callable[[int], tuple[int, int]] = lambda length: (0, length),
    ) -> None:
        self._units, self._masks, self._rows = units, masks, rows
        self._added = 0
        self.whole: dict[str, torch.Tensor] = {}
        self._total: dict[str, torch.Tensor] = {}
        self._apart: dict[str, list[tuple[Place, torch.Tensor]]] = {}
        self._largest: dict[str, torch.Tensor] = {}
        for name, tensor in whole.items():
            self.expect(name, tensor)

    def expect(self, name: str, tensor: torch.Tensor) -> None:
        """Make room for updates of one more tensor at home."""
        self.whole[name] = tensor
        if not tensor.is_floating_point():
            self._largest[name] = tensor.clone()
        elif tensor.is_contiguous() and not self._is_shared(name):
            self._apart[name] = []
        else:
            self._total[name] = _nothing_of(tensor)

    def add(self, places: Mapping[str, Place], updates: Mapping[str, torch.Tensor]) -> None:
        """Add the updates of the next subnetwork, see `changes`, at their places in the tensors at home."""
        for name, update in updates.items():
            if name in self._apart:
                self._apart[name].append((places[name], update))
            elif name in self._total:
                add_to(self._total[name], places[name], update)
            elif update.shape == self._largest[name].shape:  # counters, such as the number of batches seen
                torch.maximum(self._largest[name], update, out=self._largest[name])
        self._added += 1

    def is_finite(self) -> bool:
        """Return whether all sums of entries are; not those of optimiser states."""
        entries = self._units.axes
        sums = [total for name, total in self._total.items() if name in entries]
        sums += [update for name, updates in self._apart.items() if name in entries for _, update in updates]
        return all(bool(torch.isfinite(piece).all()) for of_some in sums for piece in pieces_of(of_some))

    def mean_updates(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor | None]]:
        """Return the mean update of every entry, and where anybody holds it (None: everywhere).

        Where nobody does, the mean is -0.0. The sums become the means: call it once.
        """
        for name in list(self._apart):
            self._total[name] = _nothing_of(self.whole[name])
            for place, update in self._apart.pop(name):
                add_to(self._total[name], place, update)
        anybody: dict[str, torch.Tensor | None] = {}
        for name, total in self._total.items():
            holders = self._holders(name)
            anybody[name] = None if holders is None else holders > 0
            self._divide(total, holders)
        return self._total, anybody

    def apply(self) -> None:
        """Make theta_{k+1} of theta_k in place: each entry moves by its mean update (lines 11 to 13)."""
        for name, updates in self._apart.items():
            for place, update in updates:
                add_to(self.whole[name], place, update)
        for name, total in self._total.items():
            self._divide(total, self._holders(name))
            self.whole[name].add_(total)
        self.apply_counters()

    def apply_counters(self) -> None:
        """Give counters the largest value that a subnetwork returned."""
        for name, largest in self._largest.items():
            self.whole[name].copy_(largest)

    def _divide(self, total: torch.Tensor, holders: torch.Tensor | None) -> None:
        """Make means of sums in place."""
        total /= self._added if holders is None else holders.clamp_(min=1).to(total.dtype)

    def _is_shared(self, name: str) -> bool:
        """Return whether an entry may have two holders: not if some dimension's indices have one each, or none."""
        axes = filter(axis_groups, self._units.axes[entry_of(name, self._units.axes)])
        return all(held_on_axis(axis, self._masks).sum(axis=0).max() > 1 for axis in axes)

    def _holders(self, name: str) -> torch.Tensor | None:
        """Return N for each entry of a parameter, or None if every subnetwork holds all of it."""
        axes = self._units.axes[entry_of(name, self._units.axes)]
        cut = [d for d, axis in enumerate(axes) if axis_groups(axis) and not self._all_held(axis_groups(axis))]
        if not cut:
            return None
        first, end = self._rows(axis_length(axes[0]))
        along = [torch.from_numpy(held_on_axis(axes[d], self._masks).astype(np.float32)) for d in cut]  # (p, length)
        along = [held[:, first:end] if d == 0 else held for d, held in zip(cut, along, strict=True)]
        letters = "abcdefgh"[: len(cut)]
        terms = ",".join("p" + letter for letter in letters)
        counts = torch.einsum(f"{terms}->{letters}", *along)  # whole numbers below 2**24: exact
        shape = [self.whole[name].shape[d] if d in cut else 1 for d in range(len(axes))]
        return counts.reshape(shape).to(self.whole[name].device)

    def _all_held(self, groups: set[str]) -> bool:
        return all(bool(self._masks[group].all()) for group in groups)


def _nothing_of(tensor: torch.Tensor) -> torch.Tensor:
    """Return a sum of no updates.

    -0.0 added to a number leaves its bits as they are, also those of -0.0: so it marks what nobody holds.
    """
    return torch.full_like(tensor, -0.0, memory_format=torch.contiguous_format)
