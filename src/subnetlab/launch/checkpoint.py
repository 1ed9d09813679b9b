"""Checkpoints: one file per slot, and a manifest that makes them count.

    FOLDER/checkpoints/round-00000040/slot-00003.npy     one block of numbers, weights of neurons say
    FOLDER/checkpoints/round-00000040/complete.npz       hashes of all slots, the history so far

Slots do not depend on the number of workers, so any number can go on. The manifest is written when all
slots are on disk; without it, or with a slot whose hash is another, the checkpoint before counts. A file that cannot
be read now is no damage: it ends the job, for the same checkpoint may be whole at the next attempt.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..archive import ArchiveError, read_archive, read_array, tells_damage, write_archive
from ..atomic import atomic_file, remove_leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.arrays import FloatArray

KEPT = 2
_HEADER = 1 << 12  # bytes of an NPY file before its numbers, at most
_KIND, _VERSION = "subnetlab-checkpoint", 1
_MANIFEST, _DAMAGED = "complete.npz", "damaged"


@dataclass(frozen=True, eq=False)
class Manifest:
    """A complete checkpoint.

    Parameters
    ----------
    round : int
        Completed rounds.
    hashes : list of str
        One per slot.
    facts : dict
        JSON-able; by which a session knows what is in which slot.
    history : dict of str to ndarray
    """

    round: int
    hashes: list[str]
    facts: dict[str, Any]
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
        weights = np.ascontiguousarray(weights)
        with atomic_file(self._slot_file(round, slot)) as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(weights))
            file.write(weights.data)  # numpy.save would hide why a disk refuses it
        _sync(folder)
        return array_hash(weights)

    def complete(self, manifest: Manifest) -> None:
        """Make a checkpoint count, all of whose slots are on disk; drop all but the last two."""
        folder = self.folder_of(manifest.round)
        meta = {**manifest.facts, "digest": self._digest, "round": manifest.round, "hashes": manifest.hashes}
        write_archive(folder / _MANIFEST, _KIND, _VERSION, meta, manifest.history)
        _sync(folder)
        _sync(self._folder)
        (folder / _DAMAGED).unlink(missing_ok=True)
        remove_leftovers(folder, "*")  # of killed workers; all others have written theirs
        kept = [round for round in self.rounds() if round <= manifest.round][:KEPT]
        for number in self._numbers():
            if number < kept[-1]:
                shutil.rmtree(self.folder_of(number), ignore_errors=True)

    def rounds(self) -> list[int]:
        """Return the rounds of the checkpoints that were completed, the newest first.

        Raises
        ------
        OSError
            If the folder cannot be read now.
        """
        folders = {number: self.folder_of(number) for number in self._numbers()}
        whole = (n for n, folder in folders.items() if not _is_there(folder / _DAMAGED))
        return [number for number in whole if _is_there(folders[number] / _MANIFEST)]

    def set_aside(self, round: int) -> None:
        """Mark a checkpoint as damaged, so that it does not count; it stays on disk until there are newer ones."""
        (self.folder_of(round) / _DAMAGED).touch()

    def drop_those_of_other_runs(self) -> None:
        """Remove the checkpoints that `manifest` would refuse."""
        for round in self.rounds():
            try:
                self.manifest(round)
            except ValueError:
                shutil.rmtree(self.folder_of(round))

    def manifest(self, round: int) -> Manifest | None:
        """Return a manifest, or None if it is damaged or not there.

        Raises
        ------
        ValueError
            If it belongs to another run.
        OSError, MemoryError
            If it cannot be read now.
        """
        path = self.folder_of(round) / _MANIFEST
        try:
            meta, history = read_archive(path, _KIND, _VERSION, owner="launch")
        except (ArchiveError, FileNotFoundError):
            return None
        if (digest := str(meta.pop("digest", None))) != self._digest:
            raise ValueError(
                f"launch: {path} must be of this run ({self._digest[:12]}), got one of another ({digest[:12]})"
            )
        found, hashes = meta.pop("round", None), meta.pop("hashes", None)
        return Manifest(round, hashes, meta, history) if found == round and isinstance(hashes, list) else None

    def newest(self) -> Manifest | None:
        """Return the manifest of the newest complete checkpoint."""
        found = (self.manifest(round) for round in self.rounds())
        return next((manifest for manifest in found if manifest is not None), None)

    def read_slot(self, manifest: Manifest, slot: int, shape: tuple[int, ...], dtype: str) -> FloatArray | None:
        """Return the weights of one slot, or None if they are not what was written.

        No more memory is taken than for the shape and dtype that they must have.

        Raises
        ------
        OSError, MemoryError
            If they cannot be read now.
        """
        path = self._slot_file(manifest.round, slot)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > math.prod(shape) * np.dtype(dtype).itemsize + _HEADER:
                    return None
                weights = read_array(file, size, path.name)
        except FileNotFoundError:
            return None
        except Exception as error:  # damage makes NumPy raise a dozen types
            if tells_damage(error):
                return None
            raise OSError(f"launch: {path} must be readable, got {error!r}") from error
        as_written = manifest.hashes[slot : slot + 1] == [array_hash(weights)]
        return weights if as_written and (weights.shape, weights.dtype) == (shape, np.dtype(dtype)) else None

    def folder_of(self, round: int) -> Path:
        """Return the folder of one checkpoint."""
        return self._folder / f"round-{round:08d}"

    def _numbers(self) -> list[int]:
        """Return the rounds of all checkpoints, complete or not, the newest first."""
        try:
            names = os.listdir(self._folder)  # `Path.glob` finds nothing where it cannot look
        except FileNotFoundError:
            return []
        digits = (name.removeprefix("round-") for name in names if name.startswith("round-"))
        return sorted((int(text) for text in digits if text.isdigit()), reverse=True)

    def _slot_file(self, round: int, slot: int) -> Path:
        return self.folder_of(round) / f"slot-{slot:05d}.npy"


def array_hash(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes."""
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data.cast("B") if array.size else b"")
    return digest.hexdigest()


def _is_there(path: Path) -> bool:
    """Return whether a file is there; `Path.exists` takes one that cannot be looked at for one that is not there."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _sync(folder: Path) -> None:
    """Bring renames in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
