"""The whole network from a checkpoint, written to disk slot by slot: never in memory."""

from __future__ import annotations

import os
from itertools import pairwise
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from ..archive import write_archive
from ..atomic import named
from ..engines.distributed.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .checkpoint import Checkpoints, Manifest
    from .job import Job


def newest_manifest(checkpoints: Checkpoints) -> Manifest | None:
    """Return the manifest of the newest complete checkpoint."""
    found = (checkpoints.manifest(round) for round in checkpoints.rounds())
    return next((manifest for manifest in found if manifest is not None), None)


def placement_of(job: Job, manifest: Manifest) -> Placement:
    """Return which neurons are in which slot of a checkpoint."""
    home = Placement.at_home(job.width)
    return home if manifest.placed_by < 0 else home.after(job.masks(manifest.placed_by))


def export_network(job: Job, checkpoints: Checkpoints, manifest: Manifest, path: Path) -> None:
    """Write weights (m, d), signs and the factor xi to an NPZ file, as `TrainingRun.export_network` does.

    Raises
    ------
    OSError
        If a slot is damaged or cannot be read, or the disk is full; it takes twice the network.
    """
    try:
        # Not written through a map into memory: on a full disk the system would kill this process without a word.
        # The file has no name, so that nothing is left of it however this process ends.
        with TemporaryFile(dir=path.parent) as file:
            for row, weights in runs_of_rows(job, checkpoints, manifest):
                file.seek(row * weights[0].nbytes)
                file.write(weights.data)
            file.flush()
            os.fsync(file.fileno())
            W = np.memmap(file, job.dtype, mode="r", shape=(job.width, job.X.shape[1]))
            problem = job.problem()
            meta = {"selection_prob": problem.selection_prob}
            write_archive(path, "subnetlab-network", 1, meta, {"weights": W, "signs": problem.signs})
            del W
    except OSError as error:  # from closing, too
        raise (named(error, path) if error.errno and error.filename is None else error) from None


def runs_of_rows(job: Job, checkpoints: Checkpoints, manifest: Manifest) -> Iterator[tuple[int, FloatArray]]:
    """Yield the rows of W in runs of neighbours, with the number of the first, slot after slot.

    Raises
    ------
    OSError
        If a slot is damaged or cannot be read.
    """
    for slot, neurons in enumerate(placement_of(job, manifest).slots):
        weights = checkpoints.read_slot(manifest, slot)
        if weights is None:
            raise OSError(f"{checkpoints.folder_of(manifest.round)}: slot {slot} must be whole, got damage")
        starts = np.flatnonzero(np.diff(neurons, prepend=-2) != 1).tolist()
        for start, stop in pairwise([*starts, len(neurons)]):
            yield int(neurons[start]), weights[start:stop]
