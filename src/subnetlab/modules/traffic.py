"""Moves the entries of one round: from their homes to the trainers of subnetworks, and the updates back.

Before the local steps the homes send the trainer of each subnetwork the rows and columns that its module stores; after
them the trainer sends the updates to the homes, which add them up in the order l = 0, ..., p - 1. So the bits do not
depend on the number of workers. Who needs what follows from the masks, which every worker draws for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch

from .entries import take
from .messages import exchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..engines.distributed.worker import Steps
    from .entries import Kept, Place
    from .messages import Form
    from .workers import Together

Slices: TypeAlias = "dict[str, torch.Tensor]"


class Traffic(Protocol):
    """Moves the entries of one round: from their homes to the trainers of subnetworks, and the updates back."""

    subnetworks: range

    def slices(self, l: int) -> Slices:
        """Return what subnetwork l, which is trained here, stores of the tensors at home."""
        ...

    def give(self, l: int, updates: Slices) -> None:
        """Take the updates of a subnetwork that was trained here."""
        ...

    def finish(self, report: Any) -> list[Any]:
        """Bring all updates home; return what each worker reports, which must be something that JSON can hold."""
        ...


Receive: TypeAlias = "Callable[[dict[str, Place], Slices], None]"
Lookup: TypeAlias = "Callable[[int], Kept]"


class LocalTraffic:
    """Traffic of one process: nothing is sent, and one subnetwork's slices are in memory at a time."""

    def __init__(self, p: int, home: Mapping[str, torch.Tensor], kept: Lookup, receive: Receive) -> None:
        self.subnetworks = range(p)
        self._home, self._kept, self._receive = home, kept, receive

    def slices(self, l: int) -> Slices:
        """Return what subnetwork l stores."""
        return {name: take(tensor, self._kept(l).stored(name)) for name, tensor in self._home.items()}

    def give(self, l: int, updates: Slices) -> None:
        """Add a subnetwork's updates up."""
        kept = self._kept(l)
        self._receive({name: kept.held(name) for name in updates}, updates)

    def finish(self, report: Any) -> list[Any]:
        """Return the only report."""
        del self._receive  # the round's, which would hold itself
        return [report]


class GroupTraffic:
    """Traffic between workers.

    Parameters
    ----------
    workers : Together
    home : mapping from name to tensor
        The rows that live here.
    kept : sequence of Kept
        Of every subnetwork l = 0, ..., p - 1.
    receive : callable
        Adds an update up: from the places in the tensors at home, and the numbers, by name.

    Raises
    ------
    PeerLostError
        If a worker is lost.
    """

    def __init__(
        self, workers: Together, home: Mapping[str, torch.Tensor], kept: Sequence[Kept], receive: Receive
    ) -> None:
        self._workers, self._home, self._kept, self._receive = workers, home, kept, receive
        self._device = next((tensor.device for tensor in home.values()), torch.device("cpu"))
        self.subnetworks = workers.subnetworks(workers.rank)
        self._updates: dict[int, Slices] = {}
        workers.in_round()
        self._fetched = workers.group.drive(self._fetch())

    def slices(self, l: int) -> Slices:
        """Return what subnetwork l stores; once, so that its memory is free afterwards."""
        return self._fetched.pop(l)

    def give(self, l: int, updates: Slices) -> None:
        """Keep a subnetwork's updates until all are sent."""
        self._updates[l] = updates

    def finish(self, report: Any) -> list[Any]:
        """Bring all updates home, in the order of the subnetworks; return what each worker reports."""
        changed = {
            l: {n: str(u.dtype).removeprefix("torch.") for n, u in own.items()} for l, own in self._updates.items()
        }
        self._workers.in_round()
        told = self._workers.group.tell_all_json({"changed": changed, "report": report})
        self._workers.group.drive(self._send_home([from_one["changed"] for from_one in told]))
        del self._receive  # the round's, which would hold itself
        return [from_one["report"] for from_one in told]

    def _fetch(self) -> Steps[dict[int, Slices]]:
        workers, names = self._workers, sorted(self._home)

        def forms(l: int, home: int) -> list[Form]:
            kept = self._kept[l]
            return [(self._shape(kept.stored(n), n, home), self._home[n].dtype) for n in names]

        outgoing = (  # one worker's at a time is in memory twice
            [
                take(as_rows(self._home[n]), self._here(self._kept[l].stored(n), n, workers.rank))
                for l in theirs
                for n in names
            ]
            for theirs in map(workers.subnetworks, range(workers.size))
        )
        awaited = [[form for l in self.subnetworks for form in forms(l, a)] for a in range(workers.size)]
        arrived = yield from exchanged(outgoing, awaited, self._device)
        found: dict[int, Slices] = {}
        for i, l in enumerate(self.subnetworks):
            own = [pieces[i * len(names) : (i + 1) * len(names)] for pieces in arrived]
            rows = zip(names, *own, strict=True)
            found[l] = {n: _as_was(torch.cat(pieces), self._kept[l].stored(n)) for n, *pieces in rows}
        return found

    def _send_home(self, changed: Sequence[Mapping[str, Mapping[str, str]]]) -> Steps[None]:
        workers, kept = self._workers, self._kept

        def rows(l: int, name: str, home: int) -> torch.Tensor:
            """Return the rows of an update whose home is a worker."""
            update, place = as_rows(self._updates[l][name]), kept[l].held(name)
            return update[slice(*self._span(place, name, home))]

        outgoing = (
            [rows(l, n, a) for l in self.subnetworks for n in sorted(self._updates[l])] for a in range(workers.size)
        )
        awaited = [
            [
                (self._shape(kept[l].held(n), n, workers.rank), getattr(torch, own[n]))
                for l in workers.subnetworks(b)
                for own in [changed[b][str(l)]]
                for n in sorted(own)
            ]
            for b in range(workers.size)
        ]
        arrived = yield from exchanged(outgoing, awaited, self._device)
        self._updates.clear()
        for b, pieces in enumerate(arrived):
            rest = iter(pieces)
            for l in workers.subnetworks(b):
                own = {n: next(rest) for n in sorted(changed[b][str(l)])}
                self._receive({n: self._here(kept[l].held(n), n, workers.rank) for n in own}, own)

    def _rows(self, name: str, worker: int) -> tuple[int, int]:
        """Return the rows of a tensor that live at a worker."""
        return self._workers.rows_of(self._kept[0].shape(name), worker)

    def _span(self, place: Place, name: str, worker: int) -> tuple[int, int]:
        """Return which of a slice's rows live at a worker: they follow each other."""
        first, end = self._rows(name, worker)
        indices = place[0] if place else None
        if indices is None:
            return first, end
        bounds = torch.searchsorted(indices, torch.tensor([first, end], device=indices.device)).tolist()
        return bounds[0], bounds[1]

    def _here(self, place: Place, name: str, worker: int) -> Place:
        """Return a place in the whole network as one in the rows that live at a worker."""
        if not place or place[0] is None:
            return place or (None,)
        first, end = self._span(place, name, worker)
        return (place[0][first:end] - self._rows(name, worker)[0], *place[1:])

    def _shape(self, place: Place, name: str, worker: int) -> tuple[int, ...]:
        """Return the shape of the rows of a slice that live at a worker."""
        first, end = self._span(place, name, worker)
        lengths = self._kept[0].shape(name)[1:]
        return (end - first, *(n if i is None else len(i) for n, i in zip(lengths, place[1:], strict=True)))


def as_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that has rows: a number is one row."""
    return tensor if tensor.ndim else tensor.reshape(1)


def _as_was(rows: torch.Tensor, place: Place) -> torch.Tensor:
    return rows if place else rows.reshape(())
