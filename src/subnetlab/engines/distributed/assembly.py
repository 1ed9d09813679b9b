"""The whole network from a checkpoint, written to disk slot by slot: never in memory."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ...archive import write_archive
from .placement import Placement

if TYPE_CHECKING:
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
        If a slot is damaged, or the disk is full; it takes twice the network.
    """
    placement = placement_of(job, manifest)
    shape = (job.width, job.X.shape[1])
    with TemporaryDirectory(prefix=".network-", dir=path.parent) as folder:
        W = np.lib.format.open_memmap(Path(folder, "weights.npy"), mode="w+", dtype=job.dtype, shape=shape)
        for slot, neurons in enumerate(placement.slots):
            weights = checkpoints.read_slot(manifest, slot)
            if weights is None:
                raise OSError(f"{checkpoints.folder_of(manifest.round)}: slot {slot} must be whole, got damage")
            W[neurons] = weights
        problem = job.problem()
        meta = {"selection_prob": problem.selection_prob}
        write_archive(path, "subnetlab-network", 1, meta, {"weights": W, "signs": problem.signs})
        del W
