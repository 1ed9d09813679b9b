"""Where neurons live between rounds, and what therefore travels in one: who needs what from whom.

Neurons live in slots, and slots on processes. A slot is a list of neurons. The slots partition the network, and
what is computed of a slot (its output, its file in a checkpoint) does not depend on the number of processes; only who
computes it does. After a round with categorical masks the slots are the subnetworks of that round: a neuron stays
where it was trained. Otherwise every neuron has a home for good, in one of a fixed number of blocks.

Every process works out alone, from masks and placement, what travels. Out: each process sends the weights of its
neurons to the processes that train them. Home: the updates Delta^l go to where their neurons live after the round.
With categorical masks that is where they were trained, so nothing goes home and weights travel once, straight from
one owner to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...core.rates import equal_share

if TYPE_CHECKING:
    from ...core.arrays import BoolArray, IntArray

HOME_BLOCKS = 32  # decides the order of the sum in `full_error`, so part of the bits: never change it


def is_partition(masks: BoolArray) -> bool:
    """Return whether every neuron is in exactly one subnetwork, so that nothing needs to be brought home."""
    return bool((masks.sum(axis=0, dtype=np.int32) == 1).all())


@dataclass(frozen=True, eq=False)
class Placement:
    """The slots; each lists its neurons in ascending order.

    Parameters
    ----------
    slots : tuple of ndarray of int
        Together a partition of ``range(m)``.
    """

    slots: tuple[IntArray, ...]

    @classmethod
    def at_home(cls, width: int) -> Placement:
        """Return the placement before round 0: blocks of neighbouring neurons."""
        blocks = min(HOME_BLOCKS, width)
        bounds = [block * width // blocks for block in range(blocks + 1)]
        return cls(tuple(np.arange(start, stop) for start, stop in pairwise(bounds)))

    def after(self, masks: BoolArray) -> Placement:
        """Return the placement after a round with these masks, shape (p, m)."""
        if not is_partition(masks):
            return self
        return Placement(tuple(np.flatnonzero(mask) for mask in masks))

    def slots_of(self, process: int, n_processes: int) -> range:
        """Return the slots on a process."""
        return range(*equal_share(len(self.slots), process, n_processes))

    def neurons_of(self, process: int, n_processes: int) -> IntArray:
        """Return the neurons on a process, slot after slot: the order of its rows of W."""
        return np.concatenate(
            [np.empty(0, np.int64), *(self.slots[slot] for slot in self.slots_of(process, n_processes))]
        )


class Route:
    """The journeys of one round as process ``rank`` of ``size`` sees them.

    Parameters
    ----------
    before, after : Placement
        Where neurons live before the round and after it.
    masks : ndarray of bool, shape (p, m)
    rank, size : int
    """

    def __init__(self, before: Placement, after: Placement, masks: BoolArray, rank: int, size: int) -> None:
        self._before = before
        self._after = after
        self._masks = masks
        self._rank = rank
        self._size = size
        self._late: set[int] = set()
        self.subnetworks = self.subnetworks_of(rank)
        self.members = {l: np.flatnonzero(masks[l]) for l in self.subnetworks}
        self.stays = after is not before  # trained neurons stay where they are
        self.home = after.neurons_of(rank, size)
        self.trained = self.home if self.stays else np.flatnonzero(self._needed_by(rank))
        self._trained_row = _rows_by_neuron(self.trained, masks.shape[1])
        self._home_row = _rows_by_neuron(self.home, masks.shape[1])

    def subnetworks_of(self, process: int) -> range:
        """Return the subnetworks that a process trains."""
        return range(*equal_share(len(self._masks), process, self._size))

    def give_up(self, late: IntArray) -> None:
        """Note the subnetworks that were given up; they have no updates."""
        self._late = set(late.tolist())

    def rows_out(self, process: int) -> IntArray:
        """Return the rows of this process' W that ``process`` needs."""
        own = self._before.neurons_of(self._rank, self._size)
        return np.flatnonzero(self._needed_by(process)[own])

    def rows_in(self, process: int) -> IntArray:
        """Return where the weights that arrive from ``process`` belong, as rows of `trained`."""
        theirs = self._before.neurons_of(process, self._size)
        return self._trained_row[theirs[self._needed_by(self._rank)[theirs]]]

    def rows_of_subnetwork(self, l: int) -> IntArray:
        """Return the rows of `trained` that form subnetwork l."""
        return self._trained_row[self.members[l]]

    def update_rows_out(self, l: int, process: int) -> IntArray:
        """Return the rows of Delta^l whose neurons live on ``process`` after the round."""
        if l in self._late:
            return np.empty(0, np.int64)
        if self.stays:
            return np.arange(len(self.members[l]) if process == self._rank else 0)
        lives_there = np.zeros(self._masks.shape[1], bool)
        lives_there[self._after.neurons_of(process, self._size)] = True
        return np.flatnonzero(lives_there[self.members[l]])

    def update_rows_in(self, l: int) -> IntArray:
        """Return the rows of `home` that Delta^l moves, in the order in which they arrive."""
        if l in self._late:
            return np.empty(0, np.int64)
        if self.stays:
            return self._home_row[self.members[l]] if l in self.members else np.empty(0, np.int64)
        lives_here = np.zeros(self._masks.shape[1], bool)
        lives_here[self.home] = True
        return self._home_row[np.flatnonzero(self._masks[l] & lives_here)]

    def _needed_by(self, process: int) -> BoolArray:
        l = self.subnetworks_of(process)
        return np.logical_or.reduce(self._masks[l.start : l.stop], axis=0)


def rows_sent(before: Placement, after: Placement, masks: BoolArray, size: int) -> IntArray:
    """Return how many rows of d numbers each process sends to each, shape (size, size), zero on the diagonal."""
    sent = np.zeros((size, size), np.int64)
    for rank in range(size):
        route = Route(before, after, masks, rank, size)
        for process in range(size):
            if process != rank:
                updates = sum(len(route.update_rows_out(l, process)) for l in route.subnetworks)
                sent[rank, process] = len(route.rows_out(process)) + updates
    return sent


def _rows_by_neuron(neurons: IntArray, width: int) -> IntArray:
    rows = np.zeros(width, np.int64)
    rows[neurons] = np.arange(len(neurons))
    return rows
