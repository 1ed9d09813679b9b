"""Where neurons live between rounds: in slots, and slots on processes.

A slot is a list of neurons. The slots partition the network, and what is computed of a slot (its output, its
file in a checkpoint) does not depend on the number of processes; only who computes it does. After a round with
categorical masks the slots are the subnetworks of that round: a neuron stays where it was trained. Otherwise
every neuron has a home for good, in one of a fixed number of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ...core.arrays import BoolArray, IntArray

HOME_BLOCKS = 32  # decides the order of the sum in `full_error`, so part of the bits: never change it


def process_of(item: int, n_items: int, n_processes: int) -> int:
    """Return the process that serves a slot or a subnetwork; shares differ by at most one."""
    return item * n_processes // n_items


def items_of(process: int, n_items: int, n_processes: int) -> range:
    """Return the slots or subnetworks that a process serves.

    Examples
    --------
    >>> [list(items_of(process, 6, 4)) for process in range(4)]
    [[0, 1], [2], [3, 4], [5]]
    """
    first, last = (-(-((process + i) * n_items) // n_processes) for i in (0, 1))
    return range(first, last)


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
        return items_of(process, len(self.slots), n_processes)

    def neurons_of(self, process: int, n_processes: int) -> IntArray:
        """Return the neurons on a process, slot after slot: the order of its rows of W."""
        return np.concatenate(
            [np.empty(0, np.int64), *(self.slots[slot] for slot in self.slots_of(process, n_processes))]
        )
