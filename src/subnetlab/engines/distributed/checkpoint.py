"""Checkpoints: one file per slot, and a manifest that makes them count.

    FOLDER/checkpoints/round-00000040/slot-00003.npy     weights of the slot's neurons
    FOLDER/checkpoints/round-00000040/complete.npz       hashes of all slots, the history so far

Slots do not depend on the number of workers, so any number can go on. The manifest is written when all
slots are on disk; without it, or with a slot whose hash is another, the checkpoint before counts.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...archive import ArchiveError, read_archive, write_archive
from ...atomic import atomic_file
from .job import array_hash

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.arrays import FloatArray

KEPT = 2
_KIND, _VERSION = "subnetlab-checkpoint", 1


@dataclass(frozen=True, eq=False)
class Manifest:
    """A complete checkpoint.

    Parameters
    ----------
    round : int
        Completed rounds.
    placed_by : int
        The round whose masks made the slots, or -1 for the blocks of the start.
    hashes : list of str
        One per slot.
    history : dict of str to ndarray
    """

    round: int
    placed_by: int
    hashes: list[str]
    history: dict[str, np.ndarray]


class Checkpoints:
    """The checkpoints of one job in one folder.

    Parameters
    ----------
    folder : Path
        The job's folder.
    digest : str
        The job's; a checkpoint with another one is refused.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder = folder / "checkpoints"
        self._digest = digest

    def write_slot(self, round: int, slot: int, weights: FloatArray) -> str:
        """Write one slot and return its hash; it is on disk when this returns.

        Raises
        ------
        OSError
            If the disk is full or cannot be written.
        """
        folder = self.folder_of(round)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._slot_file(round, slot)) as file:
            np.save(file, weights, allow_pickle=False)
        _sync(folder)
        return array_hash(weights)

    def complete(self, manifest: Manifest) -> None:
        """Make a checkpoint count, all of whose slots are on disk; drop all but the last two."""
        folder = self.folder_of(manifest.round)
        meta = {
            "digest": self._digest,
            "round": manifest.round,
            "placed_by": manifest.placed_by,
            "hashes": manifest.hashes,
        }
        write_archive(folder / "complete.npz", _KIND, _VERSION, meta, manifest.history)
        _sync(folder)
        _sync(self._folder)
        kept = self.rounds()[:KEPT]
        for other in self._folder.glob("round-*"):
            if (number := _number(other)) is not None and number < manifest.round and number not in kept:
                shutil.rmtree(other, ignore_errors=True)

    def rounds(self) -> list[int]:
        """Return the rounds of the checkpoints that were completed, the newest first."""
        found = [_number(manifest.parent) for manifest in self._folder.glob("round-*/complete.npz")]
        return sorted((number for number in found if number is not None), reverse=True)

    def drop_those_of_other_runs(self) -> None:
        """Remove the checkpoints that `manifest` would refuse."""
        for round in self.rounds():
            try:
                self.manifest(round)
            except ValueError:
                shutil.rmtree(self.folder_of(round))

    def manifest(self, round: int) -> Manifest | None:
        """Return a manifest, or None if it is damaged.

        Raises
        ------
        ValueError
            If it belongs to another run.
        """
        path = self.folder_of(round) / "complete.npz"
        try:
            meta, history = read_archive(path, _KIND, _VERSION)
        except (ArchiveError, OSError):
            return None
        if meta["digest"] != self._digest:
            raise ValueError(
                f"launch: {path} must be of this run ({self._digest[:12]}), got one of another ({meta['digest'][:12]})"
            )
        return Manifest(meta["round"], meta["placed_by"], meta["hashes"], history)

    def read_slot(self, manifest: Manifest, slot: int) -> FloatArray | None:
        """Return the weights of one slot, or None if they are not what was written."""
        try:
            weights = np.load(self._slot_file(manifest.round, slot), allow_pickle=False)
        except Exception:  # damage makes NumPy raise a dozen types
            return None
        return weights if array_hash(weights) == manifest.hashes[slot] else None

    def folder_of(self, round: int) -> Path:
        """Return the folder of one checkpoint."""
        return self._folder / f"round-{round:08d}"

    def _slot_file(self, round: int, slot: int) -> Path:
        return self.folder_of(round) / f"slot-{slot:05d}.npy"


def _number(folder: Path) -> int | None:
    digits = folder.name.removeprefix("round-")
    return int(digits) if digits.isdigit() else None


def _sync(folder: Path) -> None:
    """Bring renames in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
